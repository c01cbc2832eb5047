// FactorVAE: an adversary estimates the total correlation; two games, one loss, one backward.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <memory>

namespace {

using variform::Tensor;
namespace nn = variform::nn;

std::shared_ptr<nn::Sequential> critic_of(const variform::Build& build) {
  auto network = std::make_shared<nn::Sequential>();
  const int64_t width =
      append_hidden(*network, build, {"leaky-relu"}, build.latent, build.integers("critic_hidden"));
  network->append(std::make_shared<nn::Linear>(build, width, 1));
  return network;
}

/// E_q ℓ + KL(q(z|x) ‖ p(z)) + γ TC, TC = KL(q(z) ‖ ∏_i q(z_i)) ≈ E_q D(z) (Kim and Mnih 2018).
/// The critic D gives the log odds that z is a draw of q(z) rather than of ∏_i q(z_i), whose draws are the batch's with
/// every latent permuted over the rows separately; it minimises −½ [E log σ(D(z)) + E log σ(−D(permuted))].
/// Frozen keeps the model's loss from the critic's weights and detach() keeps the critic's loss from the model, so
/// that the gradient of the sum is both gradients side by side. The objective's optimizer is the critic's.
class FactorVae final : public variform::Objective {
 public:
  explicit FactorVae(const variform::Build& build)
      : gamma_(build.schedule("gamma")), critic_(register_module("critic", critic_of(build))) {}

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const auto posterior = model.posterior(batch.x, batch.context);
    const variform::Draw draw = posterior->rsample(1, model.rng);  // [1, B, d]
    const Tensor nll = model.nll(batch.x, model.decode(draw.z, batch.context), batch.context)[0];
    const Tensor elbo = nll + model.kl(*posterior, draw, batch.context);
    const Tensor total_correlation = frozen_log_odds(draw.z[0]);

    const Tensor joint = draw.z[0].detach();  // [B, d]
    const Tensor order = at::rand(joint.sizes(), model.rng, joint.options()).argsort(int64_t{0});
    const Tensor permuted = joint.gather(0, order);
    const Tensor critic = 0.5 * (at::softplus(-log_odds(joint)) + at::softplus(log_odds(permuted)));
    return {elbo + gamma_ * total_correlation + critic,
            {{"nll", nll}, {"elbo", elbo}, {"tc", total_correlation}, {"critic", critic}}};
  }

 private:
  Tensor log_odds(const Tensor& z) const { return critic_->forward(z).squeeze(-1); }  // [B, d] -> [B]
  Tensor frozen_log_odds(const Tensor& z) {
    const variform::Frozen frozen(*critic_);
    return log_odds(z);
  }

  Tensor gamma_;
  std::shared_ptr<nn::Sequential> critic_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<FactorVae>(
    "factor-vae", "FactorVAE: negative evidence lower bound plus γ times an adversary's total correlation.",
    "Kim and Mnih, Disentangling by Factorising, ICML 2018",
    {variform::number("gamma", 10.0).at_least(0).schedulable().doc("Weight of the total correlation."),
     variform::integers("critic_hidden", {64, 64})
         .at_least(1)
         .doc("Widths of the critic's hidden layers, first to last.")}))
