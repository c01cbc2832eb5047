#pragma once
// Abilities of priors. Unless a function says otherwise, the rules of variform/prior.h hold.

#include <variform/ext/condition.h>
#include <variform/ext/family.h>
#include <variform/prior.h>

namespace variform {
inline namespace v2 {

/// A prior whose cross-entropy with some posteriors is known. With the posterior's entropy KL is then closed.
class ClosedCrossEntropy {
 public:
  static constexpr std::string_view kId = "variform.closed-cross-entropy/1";  ///< its name
  /// −E_q log p [B] in nats (§2), where this q allows it (a Gaussian prior needs q's two moments only); empty for other
  /// q. Once or twice per step and batch, for a posterior with ClosedEntropy. Differentiable in what q was made of and
  /// in the parameters.
  virtual std::optional<Tensor> cross_entropy(const Posterior& posterior, const Context& context) = 0;

 protected:
  ~ClosedCrossEntropy() = default;
};

/// A Gaussian prior. Needed by: GRAE and §4's optimum, which need its precision.
class GaussianForm {
 public:
  static constexpr std::string_view kId = "variform.gaussian-form/1";  ///< its name
  /// The prior as a Gaussian, mean [1 or B, d]: of one row for all, or of the context's B rows; empty where a parameter
  /// makes it another one. In steps and evaluations, any number of times, by whoever needs it (§4).
  virtual std::optional<Gaussian> gaussian(const Context& context) = 0;

 protected:
  ~GaussianForm() = default;
};

/// The prior as one Gaussian for all rows, mean [1, d]; empty when it is not Gaussian, or differs from row to row
/// (ability Conditioned).
VARIFORM_API std::optional<Gaussian> common_gaussian(Prior& prior);

/// A prior that needs moments of q. With a family's FiniteMoments it tells at config time whether KL is infinite.
class MomentsNeeded {
 public:
  static constexpr std::string_view kId = "variform.moments-needed/1";  ///< its name
  /// The highest moment of q that must be finite for −E_q log p to be finite (Gaussian: 2, Laplace: 1, Student-t: 0).
  /// Depends on parameters alone; asked when the model is composed.
  virtual int moments_needed() const = 0;

 protected:
  ~MomentsNeeded() = default;
};

}  // namespace v2
}  // namespace variform
