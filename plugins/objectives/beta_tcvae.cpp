// β-TCVAE: the KL divergence split into parts, of which the total correlation is weighted.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

namespace {

using variform::Tensor;

/// E_q ℓ + I(z; n) + β KL(q(z) ‖ ∏_i q(z_i)) + [Σ_i log q(z_i) − log p(z)] (Chen et al. 2018 with α = γ = 1), the
/// aggregate posterior estimated by minibatch-weighted sampling: for a batch of M out of N rows,
/// log q(z(n)) ≈ log Σ_m q(z(n)|x_m) − log(N M), and so for every latent by itself. At β = 1 the estimates cancel and
/// the negative evidence lower bound is left. The family must have marginals().
class BetaTcVae final : public variform::Objective {
 public:
  explicit BetaTcVae(const variform::Build& build) : beta_(build.schedule("beta")) {}

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const auto posterior = model.posterior(batch.x, batch.context);
    const variform::Draw draw = posterior->rsample(1, model.rng);
    const Tensor z = draw.z[0];  // [M, d]
    const Tensor nll = model.nll(batch.x, model.decode(draw.z, batch.context), batch.context)[0];
    const Tensor log_q_given_x = posterior->log_prob(draw)[0];

    const double log_size =
        std::log(static_cast<double>(batch.x.size(0))) + std::log(static_cast<double>(batch.dataset_size));
    const Tensor pairs =
        posterior->log_marginals({z.unsqueeze(1), Tensor()});            // draw n against row m: [M, M, d]
    const Tensor log_q = pairs.sum(-1).logsumexp(1) - log_size;          // [M]
    const Tensor log_product = (pairs.logsumexp(1) - log_size).sum(-1);  // [M]

    const Tensor information = log_q_given_x - log_q;
    const Tensor total_correlation = log_q - log_product;
    const Tensor by_dimension = log_product - model.log_prior(draw.z, batch.context)[0];
    return {
        (nll + information + beta_ * total_correlation + by_dimension).mean(),
        {{"nll", nll}, {"mi", information}, {"tc", total_correlation}, {"kl_by_dimension", by_dimension}}};
  }

 private:
  Tensor beta_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<BetaTcVae>(
    "beta-tcvae", "β-TCVAE: β times the total correlation, by minibatch-weighted sampling.",
    "Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS 2018",
    {variform::number("beta", 6.0)
         .at_least(0)
         .schedulable()
         .doc("Weight of the total correlation; 1 gives the negative evidence lower bound.")}))
