// The β-VAE: reconstruction plus β times the KL divergence, estimated from samples.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

/// L_β = E_q ℓ(x, g(z)) + β KL(q(z|x) ‖ p(z)) for each datum (§2); β = 1 gives the negative evidence lower bound.
/// E_q is the mean over `samples` reparameterised draws; KL is closed where entropy and cross-entropy are, else it is
/// the Monte Carlo mean over the same draws (Model::has_closed_kl says which).
class BetaVae final : public variform::Objective {
 public:
  explicit BetaVae(const variform::Build& build)
      : beta_(build.schedule("beta")),
        final_beta_(build.final_value("beta")),
        samples_(build.integer("samples")) {}

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const std::unique_ptr<variform::Posterior> posterior = model.posterior(batch.x);
    const variform::Draw draw = posterior->rsample(samples_, model.rng);  // [K, B, d]
    const Tensor nll = model.nll(batch.x, model.decode(draw.z)).mean(0);  // [K, B] -> [B]
    const Tensor kl = model.kl(*posterior, draw);                         // [B]
    return {nll + beta_ * kl, {{"nll", nll}, {"kl", kl}}};
  }
  std::optional<Tensor> beta() const override { return beta_; }
  std::optional<double> final_beta() const override { return final_beta_; }

 private:
  Tensor beta_;
  double final_beta_;
  int64_t samples_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<BetaVae>(
    "beta-vae", "β-VAE: expected reconstruction plus β times the KL divergence to the prior.",
    "Higgins et al., β-VAE, ICLR 2017; Kingma and Welling, ICLR 2014 (β = 1); theory §2",
    {variform::number("beta", 1.0)
         .at_least(0)
         .schedulable()
         .doc("Weight of the KL divergence; 1 gives the negative evidence lower bound."),
     variform::integer("samples", 1)
         .at_least(1)
         .in("draws per datum")
         .doc("Latent draws for each datum over which the reconstruction term is averaged.")}))
