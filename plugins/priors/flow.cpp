// RealNVP: a prior that is a standard normal behind invertible networks, trained with the model.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;
namespace nn = variform::nn;

/// log p(z) = log N(u; 0, I) + Σ_l Σ_i s_i, u = f_L ∘ … ∘ f_1(z), f_l(x) = x exp(s) + t on one half of the coordinates,
/// with (s, t) a perceptron of the other half and |s| < 1 (Dinh et al. 2017); the halves are swapped from one layer to
/// the next. The perceptrons' last layers start small, so that training starts near the standard normal distribution.
class Flow final : public variform::With<variform::Prior, variform::MomentsNeeded> {
 public:
  explicit Flow(const variform::Build& build) : latent_(build.latent), options_(build.options) {
    if (latent_ < 2) throw variform::Error("prior 'flow' couples two halves of the latents; found d = 1");
    for (int64_t l = 0; l < build.integer("layers"); ++l) {
      auto network = std::make_shared<nn::Sequential>();
      const int64_t width = append_hidden(*network, build, {"silu"}, latent_, build.integers("hidden"));
      const auto last = std::make_shared<nn::Linear>(build, width, 2 * latent_);
      {
        const at::NoGradGuard no_grad;
        last->weight().mul_(1e-2);
        last->bias().zero_();
      }
      network->append(last);
      couplings_.push_back(register_module("coupling" + std::to_string(l), network));
      const Tensor even = at::arange(latent_, options_).remainder(2);
      kept_.push_back(l % 2 == 0 ? even : 1 - even);
    }
  }

  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    Tensor x = z.reshape({z.numel() / latent_, latent_}), log_det = at::zeros({x.size(0)}, options_);
    for (size_t l = 0; l < couplings_.size(); ++l) {
      const auto [s, t] = coupling(l, x);
      x = x * s.exp() + t;
      log_det = log_det + s.sum(-1);
    }
    const double constant = static_cast<double>(latent_) * std::log(2 * std::numbers::pi);
    return (log_det - 0.5 * (x.square().sum(-1) + constant)).reshape(z.sizes().slice(0, z.dim() - 1));
  }
  Tensor sample(int64_t n, variform::Generator& rng, const variform::Context&) override {
    Tensor x = at::randn({n, latent_}, rng, options_);
    for (size_t l = couplings_.size(); l-- > 0;) {
      const auto [s, t] = coupling(l, x);  // of the half that this layer leaves alone
      x = (x - t) * (-s).exp();
    }
    return x;
  }
  int moments_needed() const override { return 2; }

 private:
  std::pair<Tensor, Tensor> coupling(size_t l, const Tensor& x) const {
    const std::vector<Tensor> parts = couplings_[l]->forward(x * kept_[l]).chunk(2, -1);
    const Tensor moved = 1 - kept_[l];
    return {parts[0].tanh() * moved, parts[1] * moved};
  }

  int64_t latent_;
  at::TensorOptions options_;
  std::vector<std::shared_ptr<nn::Sequential>> couplings_;
  std::vector<Tensor> kept_;  // masks [d]: constants, not state
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Flow>(
    "flow", "RealNVP: a standard normal distribution behind trained invertible networks.",
    "Dinh, Sohl-Dickstein and Bengio, Density Estimation Using Real NVP, ICLR 2017",
    {variform::integer("layers", 4).at_least(1).doc("Coupling layers; each moves half of the latents."),
     variform::integers("hidden", {64}).at_least(1).doc("Widths of the hidden layers of each coupling.")}))
