// Latents in levels: a prior and a posterior whose levels have means that are linear in the levels after them.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <string>

namespace {

using variform::Build;
using variform::Context;
using variform::Draw;
using variform::LevelMoments;
using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

Tensor normal_log_density(const Tensor& z, const LevelMoments& of) {
  const Tensor e = (z - of.mean) * (-of.log_deviation).exp();
  return -(0.5 * (e.square() + kLogTwoPi) + of.log_deviation).sum(-1);
}

/// One matrix [size, size of what is after it] for every level but the last, registered in the module.
std::vector<Tensor> maps_of(torch::nn::Module& module, const Build& build, const std::vector<int64_t>& levels) {
  std::vector<Tensor> maps;
  int64_t above = build.latent;
  for (size_t l = 0; l + 1 < levels.size(); ++l) {
    above -= levels[l];
    maps.push_back(module.register_parameter("map" + std::to_string(l), at::zeros({levels[l], above}, build.options)));
  }
  return maps;
}

/// p(z) = N(z_L; 0, I) ∏_l N(z_l; A_l z_l+1…, I).
class Stairs final : public variform::With<variform::Prior, variform::PriorLevels, variform::MomentsNeeded> {
 public:
  explicit Stairs(const Build& build)
      : levels_(variform::level_sizes(build)), options_(build.options), maps_(maps_of(*this, build, levels_)) {}
  std::vector<int64_t> levels() const override { return levels_; }
  LevelMoments level_moments(int64_t index, const Tensor& above, const Context&) override {
    const auto l = static_cast<size_t>(index);
    variform::Shape shape = above.sizes().vec();
    shape.back() = levels_[l];
    const Tensor zeros = at::zeros(shape, above.options());
    return {l < maps_.size() ? above.matmul(maps_[l].t()) : zeros, zeros};
  }
  Tensor log_prob(const Tensor& z, const Context& context) override {
    Tensor nats = at::zeros({}, z.options());
    int64_t end = 0;
    for (size_t l = 0; l < levels_.size(); ++l) {
      const Tensor own = z.narrow(-1, end, levels_[l]);
      end += levels_[l];
      const Tensor above = z.narrow(-1, end, z.size(-1) - end);
      nats = nats + normal_log_density(own, level_moments(static_cast<int64_t>(l), above, context));
    }
    return nats;
  }
  Tensor sample(int64_t n, variform::Generator& rng, const Context& context) override {
    Tensor z = at::empty({n, 0}, options_);
    for (size_t l = levels_.size(); l-- > 0;) {
      const Tensor mean = level_moments(static_cast<int64_t>(l), z, context).mean;
      z = at::cat({mean + at::randn({n, levels_[l]}, rng, options_), z}, 1);
    }
    return z;
  }
  int moments_needed() const override { return 2; }

 private:
  std::vector<int64_t> levels_;
  at::TensorOptions options_;
  std::vector<Tensor> maps_;
};

/// q(z|x) = N(z_L; m_L, s_L²) ∏_l N(z_l; m_l + C_l z_l+1…, s_l²).
class StepsPosterior final : public variform::With<variform::Posterior, variform::PosteriorLevels> {
 public:
  StepsPosterior(Tensor mean, Tensor log_deviation, std::vector<int64_t> levels, std::vector<Tensor> maps)
      : mean_(std::move(mean)),
        log_deviation_(std::move(log_deviation)),
        levels_(std::move(levels)),
        maps_(std::move(maps)) {}

  Tensor location() const override { return from_noise(at::zeros_like(mean_).unsqueeze(0)).squeeze(0); }
  Draw rsample(int64_t K, variform::Generator& rng) const override {
    return {from_noise(at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options())), Tensor()};
  }
  Tensor log_prob(const Draw& draw) const override { return normal_log_density(draw.z, level_moments(draw)); }
  std::vector<int64_t> levels() const override { return levels_; }
  LevelMoments level_moments(const Draw& draw) const override {
    variform::Shape shape = draw.z.sizes().vec();
    shape[shape.size() - 2] = mean_.size(0);
    std::vector<Tensor> means;
    int64_t end = 0;
    for (size_t l = 0; l < levels_.size(); ++l) {
      const int64_t first = end;
      end += levels_[l];
      shape.back() = levels_[l];
      means.push_back(mean_of(l, first, draw.z.narrow(-1, end, draw.z.size(-1) - end)).expand(shape));
    }
    shape.back() = mean_.size(1);
    return {at::cat(means, -1), log_deviation_.expand(shape)};
  }

 private:
  Tensor mean_of(size_t l, int64_t first, const Tensor& above) const {
    const Tensor own = mean_.narrow(1, first, levels_[l]);
    return l < maps_.size() ? own + above.matmul(maps_[l].t()) : own;
  }
  // One level after the other from standard normal numbers [K, B, d], the last level first.
  Tensor from_noise(const Tensor& noise) const {
    int64_t first = noise.size(-1);
    Tensor z = noise.narrow(-1, first, 0);
    for (size_t l = levels_.size(); l-- > 0;) {
      first -= levels_[l];
      const Tensor deviation = log_deviation_.narrow(1, first, levels_[l]).exp();
      z = at::cat({mean_of(l, first, z) + deviation * noise.narrow(-1, first, levels_[l]), z}, -1);
    }
    return z;
  }

  Tensor mean_, log_deviation_;  // [B, d]
  std::vector<int64_t> levels_;
  std::vector<Tensor> maps_;
};

/// The encoder outputs m and log s². The prior's levels, if it has some, must be the same.
class Steps final : public variform::VariationalFamily {
 public:
  explicit Steps(const Build& build)
      : model_(build.model), levels_(variform::level_sizes(build)), maps_(maps_of(*this, build, levels_)) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&, const Context&) override {
    const auto* prior = model_ ? variform::ability<variform::PriorLevels>(model_->prior()) : nullptr;
    if (prior && prior->levels() != levels_)
      throw variform::Error("expects a prior of the family's levels; give both the same 'levels'");
    const std::vector<Tensor> parts = params.chunk(2, -1);
    return std::make_unique<StepsPosterior>(parts[0], 0.5 * parts[1], levels_, maps_);
  }

 private:
  variform::Model* model_;
  std::vector<int64_t> levels_;
  std::vector<Tensor> maps_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Stairs>("source-stairs", "Gaussian levels with means linear in the next ones.",
                                                "Sønderby et al. 2016", {variform::kLevels}),
                    variform::component<Steps>("source-steps", "Gaussian levels, their means moved by the next ones.",
                                               "Sønderby et al. 2016", {variform::kLevels}))
