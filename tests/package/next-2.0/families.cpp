// Three families: coordinates that are independent, coordinates that are not, and draws in an interval.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace {

using variform::Covariance;
using variform::Draw;
using variform::Generator;
using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

/// Marginals are enough: log_prob is the base class's sum.
class LaplacePosterior final : public variform::With<variform::IndependentPosterior, variform::ClosedEntropy, variform::Moments> {
 public:
  LaplacePosterior(Tensor location, Tensor log_scale) : location_(std::move(location)), log_scale_(std::move(log_scale)) {}

  Tensor location() const override { return location_; }
  Draw rsample(int64_t K, Generator& rng) const override {
    const Tensor u = at::empty({K, location_.size(0), location_.size(1)}, location_.options()).uniform_(-0.5, 0.5, rng);
    const Tensor noise = -u.sign() * (1 - 2 * u.abs()).clamp_min(1e-30).log();
    return {location_ + log_scale_.exp() * noise, noise};
  }
  Tensor log_marginals(const Draw& draw) const override {
    return -(draw.z - location_).abs() * (-log_scale_).exp() - log_scale_ - std::log(2.0);
  }
  Tensor entropy() const override { return (1 + std::log(2.0) + log_scale_).sum(-1); }
  std::optional<Covariance> covariance() const override {
    return Covariance::diagonal(std::sqrt(2.0) * log_scale_.exp());
  }

 private:
  Tensor location_, log_scale_;  // [B, d]
};

class Laplace final : public variform::With<variform::VariationalFamily, variform::BoundedSupport> {
 public:
  explicit Laplace(const variform::Build& build) : log_scale_(std::log(build.number("scale"))) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&, const variform::Context&) override {
    const int64_t d = params.size(1) / 2;
    return std::make_unique<LaplacePosterior>(params.narrow(1, 0, d), params.narrow(1, d, d) + log_scale_);
  }
  variform::Support support() const override { return {}; }

 private:
  double log_scale_;
};

/// A density of the whole vector, by a Covariance of blocks.
class BlockPosterior final : public variform::With<variform::Posterior, variform::ClosedEntropy, variform::Moments> {
 public:
  BlockPosterior(Tensor mean, std::vector<Tensor> factors)
      : mean_(std::move(mean)), covariance_(Covariance::cholesky(std::move(factors))) {}

  Tensor location() const override { return mean_; }
  Draw rsample(int64_t K, Generator& rng) const override {
    const Tensor noise = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
    return {mean_ + covariance_.scale(noise), noise};
  }
  Tensor log_prob(const Draw& draw) const override {
    const Tensor e = draw.state.defined() ? draw.state : covariance_.whiten(draw.z - mean_);
    return -0.5 * (e.square().sum(-1) + covariance_.log_det() + static_cast<double>(mean_.size(1)) * kLogTwoPi);
  }
  Tensor entropy() const override {
    return 0.5 * (covariance_.log_det() + static_cast<double>(mean_.size(1)) * (1 + kLogTwoPi));
  }
  std::optional<Covariance> covariance() const override { return covariance_; }

 private:
  Tensor mean_;  // [B, d]
  Covariance covariance_;
};

/// Gaussian with a covariance of equal blocks. The encoder outputs the mean, then each block's Cholesky factor row by
/// row, with the logarithms of its diagonal.
class Blocks final : public variform::VariationalFamily {
 public:
  explicit Blocks(const variform::Build& build)
      : structure_(variform::Structure::named("block", build.latent, std::min(build.integer("block"), build.latent))) {
    structure_.validate(build.latent);
  }
  int64_t parameter_count(int64_t d) const override {
    int64_t count = d;
    for (const int64_t b : structure_.blocks) count += b * (b + 1) / 2;
    return count;
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&, const variform::Context&) override {
    int64_t at = structure_.dimension();
    std::vector<Tensor> factors;
    for (const int64_t b : structure_.blocks) {
      const int64_t count = b * (b + 1) / 2;
      factors.push_back(factor(params.narrow(1, at, count), b));
      at += count;
    }
    return std::make_unique<BlockPosterior>(params.narrow(1, 0, structure_.dimension()), std::move(factors));
  }

 private:
  static Tensor factor(const Tensor& entries, int64_t b) {
    std::vector<Tensor> rows;
    int64_t at = 0;
    for (int64_t row = 0; row < b; ++row) {
      const Tensor below = 0.5 * entries.narrow(1, at, row), diagonal = entries.narrow(1, at + row, 1).exp();
      rows.push_back(at::cat({below, diagonal, at::zeros({entries.size(0), b - row - 1}, entries.options())}, 1));
      at += row + 1;
    }
    return at::stack(rows, 1);
  }

  variform::Structure structure_;
};

/// z = σ(m + s ε), in the unit interval: a centre, no moments, no entropy in closed form.
class LogitNormalPosterior final : public variform::IndependentPosterior {
 public:
  LogitNormalPosterior(Tensor mean, Tensor deviation) : mean_(std::move(mean)), deviation_(std::move(deviation)) {}

  Tensor location() const override { return mean_.sigmoid(); }
  Draw rsample(int64_t K, Generator& rng) const override {
    const Tensor noise = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
    const Tensor logit = mean_ + deviation_ * noise;
    return {logit.sigmoid(), logit};
  }
  Tensor log_marginals(const Draw& draw) const override {
    const Tensor logit = draw.state.defined() ? draw.state : at::log(draw.z) - at::log1p(-draw.z);
    const Tensor slope = -at::softplus(logit) - at::softplus(-logit);  // log dz/dlogit
    return -0.5 * (((logit - mean_) / deviation_).square() + kLogTwoPi) - deviation_.log() - slope;
  }

 private:
  Tensor mean_, deviation_;  // [B, d], of the logit
};

class LogitNormal final : public variform::With<variform::VariationalFamily, variform::BoundedSupport, variform::FiniteMoments> {
 public:
  explicit LogitNormal(const variform::Build&) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&, const variform::Context&) override {
    const auto parts = params.chunk(2, -1);
    return std::make_unique<LogitNormalPosterior>(parts[0], (0.5 * parts[1]).exp());
  }
  variform::Support support() const override { return {0, 1}; }
  int finite_moments() const override { return 100; }
};

}  // namespace

VARIFORM_PLUGIN("org.example.source-2-0", "1.0.0",
                variform::component<Laplace>("source-laplace", "Independent Laplace posterior.", "theory §4",
                                             {variform::number("scale", 1.0).above(0).in("latent units").doc("Scale of every latent for an encoder output of zero.")}),
                variform::component<Blocks>("source-blocks", "Gaussian posterior with a covariance of equal blocks.", "theory §4",
                                            {variform::integer("block", 2).at_least(1).in("latents").doc("Size of the blocks.")}),
                variform::component<LogitNormal>("source-logit-normal", "Gaussian posterior on the logits of latents in the unit interval.", "Atchison and Shen 1980"))
