// The β-VAE: reconstruction plus β times the KL divergence, estimated from samples.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <limits>

namespace {

using variform::Tensor;

/// L_β = E_q ℓ(x, g(z)) + β KL(q(z|x) ‖ p(z)) per example (§2); β = 1 gives the negative evidence lower bound.
/// E_q is the mean over `samples` reparameterised draws; KL is in closed form where entropy and cross-entropy are, else
/// it is the Monte Carlo mean over the same draws (Model::has_closed_kl says which).
/// The second term has two variants: with a `capacity` C > 0 it is β |KL − C| (Burgess et al. 2018); with `free` λ > 0
/// it is β max(KL, λ) (free bits of Kingma et al. 2016, with one group of latents). Both apply per example, so that the
/// loss splits over rows; the papers average KL over the batch first.
class BetaVae final : public variform::With<variform::Objective, variform::Weighted> {
 public:
  explicit BetaVae(const variform::Build& build)
      : beta_(build.schedule("beta")),
        final_beta_(build.final_value("beta")),
        capacity_(build.schedule("capacity")),
        free_(build.schedule("free")),
        samples_(build.integer("samples")) {}

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const std::unique_ptr<variform::Posterior> posterior = model.posterior(batch.x, batch.context);
    const variform::Draw draw = posterior->rsample(samples_, model.rng);  // [K, B, d]
    const Tensor nll_of_draws =
        model.nll(batch.x, model.decode(draw.z, batch.context), batch.context);  // [K, B]
    const Tensor nll = samples_ == 1 ? nll_of_draws.squeeze(0) : nll_of_draws.mean(0);
    const Tensor kl = model.kl(*posterior, draw, batch.context);  // [B]
    return {nll + beta_ * aimed(kl), {{"nll", nll}, {"kl", kl}}};
  }
  Tensor beta() const override { return beta_; }
  double final_beta() const override { return final_beta_; }

 private:
  // Returns ±(KL − C), no less than a floor; without a capacity +(KL − 0), without free bits −∞. Computed by tensors,
  // not by decisions on the host: both may follow schedules, and a step may be a CUDA graph.
  Tensor aimed(const Tensor& kl) const {
    const Tensor is_free = free_ > 0, capacity = at::where(is_free, 0.0, capacity_);
    const Tensor floor = at::where(is_free, free_, -std::numeric_limits<double>::infinity());
    const Tensor away = kl - capacity, sign = at::where(capacity > 0, away.detach().sgn(), 1.0);
    return (sign * away).clamp_min(floor);
  }

  Tensor beta_;
  double final_beta_;
  Tensor capacity_, free_;
  int64_t samples_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<BetaVae>(
    "beta-vae", "β-VAE: expected reconstruction plus β times the KL divergence to the prior.",
    "Higgins et al., β-VAE, ICLR 2017; Kingma and Welling, ICLR 2014 (β = 1); Burgess et al. 2018 "
    "(capacity); theory §2",
    {variform::number("beta", 1.0)
         .at_least(0)
         .schedulable()
         .doc("Weight of the KL divergence; 1 gives the negative evidence lower bound."),
     variform::number("capacity", 0.0)
         .at_least(0)
         .in("nats")
         .schedulable()
         .doc("Value C that the KL divergence of an example is drawn to, usually growing from 0 to its end; "
              "0: it is minimised."),
     variform::number("free", 0.0)
         .at_least(0)
         .in("nats")
         .schedulable()
         .doc("KL divergence below which nothing is gained by lowering it; 0: none."),
     variform::integer("samples", 1)
         .at_least(1)
         .in("draws per example")
         .doc("Latent draws per example over which the reconstruction term is averaged.")}))
