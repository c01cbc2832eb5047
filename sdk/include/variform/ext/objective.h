#pragma once
// Abilities of objectives. Unless a function says otherwise, the rules of variform/objective.h hold; calls: any number
// of times; recorded step: never within one, unless the objective calls it itself.

#include <variform/objective.h>

namespace variform {
inline namespace v2 {

/// An objective with a weight β of the KL divergence or what stands for it: for β_eff, and for evaluation at β.
class Weighted {
 public:
  static constexpr std::string_view kId = "variform.weighted/1";  ///< its name
  /// β as it is now, 0-dim, float64 as Build::schedule() gives it, on the model's device; needs no autograd. Read on
  /// the host at each line of the log.
  virtual Tensor beta() const = 0;
  /// β at the end of training: the β of an evaluation.
  virtual double final_beta() const = 0;

 protected:
  ~Weighted() = default;
};

/// An objective that differentiates the decoder's pushforward: the engine then verifies that gradient by differences
/// before the training, since LibTorch is silently wrong for some fused layers.
class UsesTangents {
 public:
  static constexpr std::string_view kId = "variform.uses-tangents/1";  ///< its name
  /// True when it does, which parameters may decide. Asked before the training.
  virtual bool uses_tangents() const { return true; }

 protected:
  ~UsesTangents() = default;
};

/// An objective that stands for a variational family's covariance structure (GRAE's regularizer, theory §4): an
/// evaluation takes the optimum within it.
class StandsFor {
 public:
  static constexpr std::string_view kId = "variform.stands-for/1";  ///< its name
  /// The structure; empty where it is that of the model's own family.
  virtual std::optional<Structure> structure() const = 0;

 protected:
  ~StandsFor() = default;
};

}  // namespace v2
}  // namespace variform
