#pragma once
// Prior: p(z).

#include <variform/component.h>
#include <variform/family.h>

#include <optional>

namespace variform {
inline namespace v1 {

/// A distribution over latents, with or without trained parameters.
class VARIFORM_API Prior : public Component {
 public:
  ~Prior() override;
  /// log p(z) in nats, z [..., d] -> [...].
  virtual Tensor log_prob(const Tensor& z) = 0;
  /// n draws [n, d] from `rng` only.
  virtual Tensor sample(int64_t n, Generator& rng) = 0;
  /// −E_q log p [B] in closed form, when there is one for this q (a Gaussian prior needs q's two moments only).
  virtual std::optional<Tensor> cross_entropy(const Posterior& posterior);
  /// The prior as a Gaussian, for §4's optimum; empty when it is none.
  virtual std::optional<Gaussian> gaussian() { return {}; }
  /// Where its density is positive; must contain the family's support.
  virtual Support support() const { return {}; }
  /// The highest moment of q that must be finite for −E_q log p to be finite (Gaussian: 2, Laplace: 1, Student-t: 0).
  virtual int moments_needed() const { return 0; }
};

}  // namespace v1
}  // namespace variform
