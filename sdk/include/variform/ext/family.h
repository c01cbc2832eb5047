#pragma once
// Abilities of families and priors as distributions over latents. Unless a function says otherwise, the rules of
// variform/component.h hold; calls: any number of times, from the model's composition on, with the same result each
// time; thread: any; recorded step: of no concern, since they depend on parameters alone.

#include <variform/family.h>

namespace variform {
inline namespace v2 {

/// A family or a prior whose draws lie in an interval. Without it: all of R. A prior's must contain the family's.
class BoundedSupport {
 public:
  static constexpr std::string_view kId = "variform.bounded-support/1";  ///< its name
  /// The interval of every coordinate.
  virtual Support support() const = 0;

 protected:
  ~BoundedSupport() = default;
};

/// A family whose draws lack moments. With a prior's MomentsNeeded it tells at config time whether KL is infinite.
class FiniteMoments {
 public:
  static constexpr std::string_view kId = "variform.finite-moments/1";  ///< its name
  /// The highest moment of its draws that is finite (Student-t: below the degrees of freedom).
  virtual int finite_moments() const = 0;

 protected:
  ~FiniteMoments() = default;
};

}  // namespace v2
}  // namespace variform
