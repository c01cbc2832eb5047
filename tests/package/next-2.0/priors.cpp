// Four priors: a Gaussian, one with trained state, one on an interval, and one made of the model's own posteriors.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Generator;
using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

/// N(0, s²I): closed forms for whatever posterior tells its moments.
class Wide final : public variform::With<variform::Prior, variform::ClosedCrossEntropy, variform::GaussianForm, variform::MomentsNeeded> {
 public:
  explicit Wide(const variform::Build& build)
      : latent_(build.latent), deviation_(build.number("deviation")), options_(build.options) {}
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    return -0.5 * (z / deviation_).square().sum(-1) - static_cast<double>(latent_) * (0.5 * kLogTwoPi + std::log(deviation_));
  }
  Tensor sample(int64_t n, Generator& rng, const variform::Context&) override { return deviation_ * at::randn({n, latent_}, rng, options_); }
  std::optional<Tensor> cross_entropy(const variform::Posterior& posterior, const variform::Context&) override {
    const auto covariance = posterior.covariance();
    if (!covariance) return {};
    const Tensor second = covariance->variances() + posterior.location().square();
    return 0.5 * second.sum(-1) / (deviation_ * deviation_) +
           static_cast<double>(latent_) * (0.5 * kLogTwoPi + std::log(deviation_));
  }
  std::optional<variform::Gaussian> gaussian(const variform::Context&) override {
    return variform::Gaussian{at::zeros({1, latent_}, options_),
                              variform::Covariance::diagonal(at::full({1, latent_}, deviation_, options_))};
  }
  int moments_needed() const override { return 2; }

 private:
  int64_t latent_;
  double deviation_;
  at::TensorOptions options_;
};

/// Logistic distributions with trained scales.
class Logistic final : public variform::With<variform::Prior, variform::MomentsNeeded> {
 public:
  explicit Logistic(const variform::Build& build)
      : log_scale_(register_parameter("log_scale", at::zeros({build.latent}, build.options))) {}
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    const Tensor y = z * (-log_scale_).exp();
    return (-y - 2 * at::softplus(-y) - log_scale_).sum(-1);
  }
  Tensor sample(int64_t n, Generator& rng, const variform::Context&) override {
    const Tensor u = at::empty({n, log_scale_.size(0)}, log_scale_.options()).uniform_(0, 1, rng).clamp(1e-7, 1 - 1e-7);
    return log_scale_.exp() * (u.log() - (-u).log1p());
  }
  int moments_needed() const override { return 1; }

 private:
  Tensor log_scale_;  // [d]
};

/// Uniform on the unit cube.
class Cube final : public variform::With<variform::Prior, variform::BoundedSupport> {
 public:
  explicit Cube(const variform::Build& build) : latent_(build.latent), options_(build.options) {}
  Tensor log_prob(const Tensor& z, const variform::Context&) override { return at::zeros_like(z).sum(-1); }
  Tensor sample(int64_t n, Generator& rng, const variform::Context&) override { return at::empty({n, latent_}, options_).uniform_(0, 1, rng); }
  variform::Support support() const override { return {0, 1}; }

 private:
  int64_t latent_;
  at::TensorOptions options_;
};

/// The equal mixture of the model's posteriors at trained inputs that start at data.
class Mixture final : public variform::With<variform::Prior, variform::BoundedSupport> {
 public:
  explicit Mixture(const variform::Build& build)
      : model_(*build.model),
        inputs_(register_parameter("inputs", build.examples(build.integer("inputs")).detach().clone())) {}
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    const auto mixture = model_.posterior(inputs_, {});
    const Tensor parts = mixture->log_prob({z.unsqueeze(-2), Tensor()});  // [..., K]
    return parts.logsumexp(-1) - std::log(static_cast<double>(inputs_.size(0)));
  }
  Tensor sample(int64_t n, Generator& rng, const variform::Context&) override {
    const Tensor chosen = at::randint(inputs_.size(0), {n}, rng, inputs_.options().dtype(at::kLong));
    return model_.posterior(inputs_.index_select(0, chosen), {})->rsample(1, rng).z[0];
  }
  variform::Support support() const override { return model_.family().support(); }

 private:
  variform::Model& model_;
  Tensor inputs_;  // [K, data…]
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Wide>("source-wide", "Gaussian prior of one deviation.", "theory §4",
                              {variform::number("deviation", 2.0).above(0).at_most(100).in("latent units").doc("Standard deviation of every latent.")}),
    variform::component<Logistic>("source-logistic", "Independent logistic prior with trained scales.", "Balakrishnan 1991"),
    variform::component<Cube>("source-cube", "Uniform prior on the unit cube.", "none is needed"),
    variform::component<Mixture>("source-mixture", "The mixture of the model's own posteriors at trained inputs.", "Tomczak and Welling 2018",
                                 {variform::integer("inputs", 5).at_least(1).in("data").doc("Number of inputs.")}))
