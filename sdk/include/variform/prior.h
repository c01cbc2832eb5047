#pragma once
// Prior: p(z), or p(z|u) when it is conditioned. Unless a function says otherwise, the rules of variform/component.h
// hold; calls: any number of times; source: theory §1.

#include <variform/component.h>
#include <variform/family.h>

#include <optional>

namespace variform {
inline namespace v2 {

/// A distribution over latents, with or without trained parameters. Abilities: ext/prior.h and BoundedSupport.
class VARIFORM_API Prior : public Component {
 public:
  static constexpr Kind kKind = Kind::kPrior;  ///< what kind of component it is
  ~Prior() override;
  /// log p(z) in nats, z [..., B, d] or [d] -> [..., B] or [], in z's dtype; B ≥ 0. `context` is of the B rows. Several
  /// times per step.
  virtual Tensor log_prob(const Tensor& z, const Context& context) = 0;
  /// n draws [n, d], n ≥ 0, from `rng` only; they need not be differentiable. The rows of `context` are the n draws'.
  virtual Tensor sample(int64_t n, Generator& rng, const Context& context) = 0;

  /// −E_q log p [B] in closed form, by the ability ClosedCrossEntropy; empty without it, or for this q.
  std::optional<Tensor> cross_entropy(const Posterior& posterior, const Context& context);
  /// The prior as a Gaussian, mean [B or 1, d], by the ability GaussianForm; empty when it is not Gaussian.
  std::optional<Gaussian> gaussian(const Context& context);
  /// Where its density is positive, by the ability BoundedSupport; all of R without it.
  Support support() const;
  /// The highest moment of q that must be finite, by the ability MomentsNeeded; 0 without it.
  int moments_needed() const;
};

}  // namespace v2
}  // namespace variform
