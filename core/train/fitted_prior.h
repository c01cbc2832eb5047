#pragma once
// A prior of any kind, shifted and scaled to a model's latents. One learning rate then suits every model, and a prior
// without parameters becomes a location-scale family.

#include <variform/ext/posterior.h>
#include <variform/ext/prior.h>

#include <memory>

namespace variform::train {

/// p(z) = p₀((z − m)/s) ∏ 1/s_i for another prior p₀. State: `location` m and `log_scale` log s, both [d] (buffers, or
/// parameters when `trained`), and p₀ under the name "prior". What is in closed form for p₀ is so here.
class FittedPrior final : public With<Prior, ClosedCrossEntropy, GaussianForm, MomentsNeeded> {
 public:
  /// location and scale > 0, [d] in the dtype and on the device of the model.
  FittedPrior(std::shared_ptr<Prior> inner, const Tensor& location, const Tensor& scale, bool trained);

  Tensor log_prob(const Tensor& z, const Context& context) override;
  Tensor sample(int64_t n, Generator& rng, const Context& context) override;
  std::optional<Tensor> cross_entropy(const Posterior& posterior, const Context& context) override;
  std::optional<Gaussian> gaussian(const Context& context) override;
  int moments_needed() const override { return inner_->moments_needed(); }

 private:
  std::shared_ptr<Prior> inner_;
  Tensor location_, log_scale_;  // [d]
};

}  // namespace variform::train
