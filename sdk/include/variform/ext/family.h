#pragma once
// Abilities of families and priors as distributions over latents.

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
