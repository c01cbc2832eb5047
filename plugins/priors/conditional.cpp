// Conditional prior p(z|u), whose location and scale are a network of the condition u.

#include <variform/nn/activation.h>
#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "log_two_pi.h"

namespace {

namespace nn = variform::nn;
using variform::Context;
using variform::Tensor;

// The lowest and the highest value of something's start.
struct Bounds {
  double low, high;
};

Bounds bounds_of(const variform::Build& build, const char* name) {
  const std::vector<double> both = build.numbers(name);
  const auto expect = [&](bool right, const char* what) {
    if (right) return;
    std::string found;
    for (double value : both) found += (found.empty() ? "" : ", ") + std::to_string(value);
    throw variform::Error("prior 'conditional': " + std::string(name) + " expects " + what + ", found [" +
                          found + "]");
  };
  expect(both.size() == 2 && both[0] <= both[1], "two numbers, the lower one first");
  return {both[0], both[1]};
}

// Draws [rows, c] in float64, so that models of either precision start alike.
Tensor uniform(const variform::Build& build, int64_t rows, Bounds bounds) {
  return bounds.low + (bounds.high - bounds.low) *
                          at::rand({rows, build.condition}, build.rng, build.options.dtype(at::kDouble));
}

// Starts an affine network: the weights of each number of u are a location and the logarithm of a scale, drawn within
// bounds.
void start_within(const nn::Linear& last, const variform::Build& build, bool moves, Bounds location,
                  Bounds scale) {
  Tensor weight = last.weight();
  const int64_t d = build.latent;
  if (moves) weight.narrow(0, 0, d).copy_(uniform(build, d, location));
  weight.narrow(0, moves ? d : 0, d).copy_(uniform(build, d, scale).log());
}

// u [N, c] -> [N, 2d or d]; the last layer starts at 0, so that the prior starts as the one without a condition, unless
// its parameters say more.
std::shared_ptr<nn::Sequential> network_of(const variform::Build& build, bool moves) {
  const Bounds location = bounds_of(build, "start_location"), scale = bounds_of(build, "start_scale");
  const bool starts_at_zero = location.low == 0 && location.high == 0 && scale.low == 1 && scale.high == 1;
  if (!starts_at_zero && !build.integers("hidden").empty())
    throw variform::Error(
        "prior 'conditional' expects hidden = [] with start_location or start_scale, which are about the numbers of an "
        "affine network; found hidden layers");
  if (!moves && (location.low != 0 || location.high != 0))
    throw variform::Error("prior 'conditional': start_location has no meaning with location = false");

  auto layers = std::make_shared<nn::Sequential>();
  const nn::Block block{build.text(nn::kActivation), "none", 1};
  const int64_t width = append_hidden(*layers, build, block, build.condition, build.integers("hidden"));
  const auto last = std::make_shared<nn::Linear>(build, width, (moves ? 2 : 1) * build.latent);
  const at::NoGradGuard no_grad;
  for (const Tensor& parameter : last->parameters()) Tensor(parameter).zero_();
  if (!starts_at_zero) start_within(*last, build, moves, location, scale);
  layers->append(last);
  return layers;
}

/// p(z|u) = ∏_i p((z_i − m_i(u))/s_i(u))/s_i(u), p the standard normal density or Laplace's of variance 1 (iVAE: Khemakhem et
/// al. 2020, equation 7). m = 0 where `location` is off. It starts as p(z|u) = p(z).
class Conditional final
    : public variform::With<variform::Prior, variform::ClosedCrossEntropy, variform::GaussianForm,
                            variform::MomentsNeeded, variform::Conditioned> {
 public:
  explicit Conditional(const variform::Build& build)
      : latent_(build.latent),
        condition_(build.condition),
        moves_(build.flag("location")),
        gaussian_(build.text("base") == "gaussian"),
        options_(build.options) {
    if (condition_ == 0)
      throw variform::Error(
          "prior 'conditional' expects a model whose data have a condition; found none: write condition = \"labels\", "
          "\"factors\" or \"array\" in [data]; in a model that data are drawn from, classes beside it");
    network_ = register_module("network", network_of(build, moves_));
  }

  Tensor log_prob(const Tensor& z, const Context& context) override {
    const auto [location, log_scale] = at_condition(context, z);
    const Tensor e = (z - location) * (-log_scale).exp();
    const auto d = static_cast<double>(latent_);
    if (gaussian_) return -0.5 * e.square().sum(-1) - log_scale.sum(-1) - 0.5 * d * kLogTwoPi;
    return -std::sqrt(2.0) * e.abs().sum(-1) - log_scale.sum(-1) - 0.5 * d * std::log(2.0);
  }
  Tensor sample(int64_t n, variform::Generator& rng, const Context& context) override {
    Tensor noise;
    if (gaussian_) noise = at::randn({n, latent_}, rng, options_);
    else {  // the difference of two exponential variables has variance 2
      const Tensor pair = at::empty({2, n, latent_}, options_).exponential_(1, rng);
      noise = (pair[0] - pair[1]) / std::sqrt(2.0);
    }
    const auto [location, log_scale] = at_condition(context, noise);
    return location + noise * log_scale.exp();
  }
  std::optional<Tensor> cross_entropy(const variform::Posterior& posterior, const Context& context) override {
    const std::optional<variform::Covariance> q = posterior.covariance();
    if (!gaussian_ || !q) return {};
    const Tensor mean = posterior.location();
    const auto [location, log_scale] = at_condition(context, mean);
    const Tensor square = (mean - location).square() + q->variances().to(mean.scalar_type());
    return (0.5 * (square * (-2 * log_scale).exp() + kLogTwoPi) + log_scale).sum(-1);
  }
  std::optional<variform::Gaussian> gaussian(const Context& context) override {
    if (!gaussian_) return {};
    const auto [location, log_scale] = at_condition(context, {});
    return variform::Gaussian{location, variform::Covariance::diagonal(log_scale.exp())};
  }
  int moments_needed() const override { return gaussian_ ? 2 : 1; }
  bool is_conditioned() const override { return true; }

 private:
  // m and log s, [B, d] each; `z` [..., B, d] says how many rows there must be, if it is defined.
  std::pair<Tensor, Tensor> at_condition(const Context& context, const Tensor& z) const {
    const int64_t given = context.condition.defined() ? context.condition.size(0) : 0;
    const int64_t rows = z.defined() && z.dim() > 1 ? z.size(-2) : given;
    const Tensor found = network_->forward(condition_in(context, rows, condition_).to(options_));
    if (moves_) return {found.narrow(1, 0, latent_), found.narrow(1, latent_, latent_)};
    return {at::zeros_like(found), found};
  }

  int64_t latent_, condition_;
  bool moves_, gaussian_;
  at::TensorOptions options_;
  std::shared_ptr<nn::Sequential> network_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Conditional>(
    "conditional", "Gaussian or Laplace prior whose location and scale depend on the data's condition.",
    "Khemakhem et al., Variational Autoencoders and Nonlinear ICA: A Unifying Framework, AISTATS 2020",
    {variform::text("base", "gaussian")
         .one_of({"gaussian", "laplace"})
         .doc("The distribution of each latent given the condition."),
     variform::integers("hidden", {50})
         .at_least(1)
         .doc("Widths of the network's hidden layers; []: it is affine."),
     nn::kActivation,
     variform::flag("location", true)
         .doc("Whether the location depends on the condition, or only the scale; it is then 0."),
     variform::numbers("start_location", {0, 0})
         .added_later()
         .doc(
             "With hidden = []: the bounds between which the location of each class (or the weight of each number of the "
             "condition) starts, drawn for every latent."),
     variform::numbers("start_scale", {1, 1}).above(0).added_later().doc("The same for the scale.")}))
