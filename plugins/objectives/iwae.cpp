// IWAE: the importance-weighted bound, from several draws per example.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

namespace {

using variform::Tensor;

/// L_K = −E log (1/K) Σ_k p(x, z_k)/q(z_k|x), z_k ~ q(z|x) (Burda et al. 2016): at most the negative evidence lower
/// bound, which is K = 1, and at least −log p(x).
class Iwae final : public variform::Objective {
 public:
  explicit Iwae(const variform::Build& build) : samples_(build.integer("samples")) {}

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const auto posterior = model.posterior(batch.x, batch.context);
    const variform::Draw draw = posterior->rsample(samples_, model.rng);                        // [K, B, d]
    const Tensor nll = model.nll(batch.x, model.decode(draw.z, batch.context), batch.context);  // [K, B]
    const Tensor log_weight = model.log_prior(draw.z, batch.context) - nll - posterior->log_prob(draw);
    const Tensor loss = std::log(static_cast<double>(samples_)) - log_weight.logsumexp(0);
    const Tensor effective = log_weight.detach().softmax(0).square().sum(0).reciprocal();
    return {loss, {{"nll", nll.mean(0)}, {"elbo", -log_weight.mean(0)}, {"effective_samples", effective}}};
  }

 private:
  int64_t samples_;
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Iwae>("iwae", "IWAE: the importance-weighted bound from several draws per example.",
                              "Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016",
                              {variform::integer("samples", 5)
                                   .at_least(1)
                                   .in("draws per example")
                                   .doc("Number K of draws under the logarithm.")}))
