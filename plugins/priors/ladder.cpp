// Prior of latents in levels: each level is Gaussian, with location and scale by a network of the levels after it.

#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "../levels.h"
#include "log_two_pi.h"

namespace {

namespace nn = variform::nn;
using variform::Context;
using variform::LevelMoments;
using variform::Tensor;

/// p(z) = N(z_L; 0, I) ∏_l N(z_l; m_l, diag s_l²), with (m_l, log s_l) a network of z_l+1 … z_L (Sønderby et al. 2016, section
/// 2). Without `scale` log s_l is a trained vector, so that an affine network makes p Gaussian. Last layers start at 0: the
/// training starts at N(0, I). State: `network0`, `network1`, … and without `scale` `log_scale0`, …
class Ladder final : public variform::With<variform::Prior, variform::PriorLevels, variform::MomentsNeeded> {
 public:
  explicit Ladder(const variform::Build& build)
      : levels_(variform::level_sizes(build)), scales_(build.flag("scale")), options_(build.options) {
    int64_t above = build.latent;
    for (size_t l = 0; l + 1 < levels_.size(); ++l) {
      above -= levels_[l];
      const std::string number = std::to_string(l);
      networks_.push_back(register_module("network" + number, network(build, above, levels_[l])));
      if (!scales_)
        log_scales_.push_back(register_parameter("log_scale" + number, at::zeros({levels_[l]}, options_)));
    }
  }

  std::vector<int64_t> levels() const override { return levels_; }
  LevelMoments level_moments(int64_t index, const Tensor& above, const Context&) override {
    const auto l = static_cast<size_t>(index);
    variform::Shape shape = above.sizes().vec();
    shape.back() = levels_[l];
    if (l + 1 == levels_.size()) {
      const Tensor zeros = at::zeros(shape, above.options());
      return {zeros, zeros};
    }
    const Tensor found = networks_[l]->forward(above.reshape({-1, above.size(-1)}));
    if (!scales_) return {found.reshape(shape), log_scales_[l].expand(shape)};
    return {found.narrow(1, 0, levels_[l]).reshape(shape),
            found.narrow(1, levels_[l], levels_[l]).reshape(shape)};
  }

  Tensor log_prob(const Tensor& z, const Context& context) override {
    Tensor nats;
    int64_t end = 0;
    for (size_t l = 0; l < levels_.size(); ++l) {
      const Tensor own = z.narrow(-1, end, levels_[l]);
      end += levels_[l];
      const LevelMoments p =
          level_moments(static_cast<int64_t>(l), z.narrow(-1, end, z.size(-1) - end), context);
      const Tensor e = (own - p.mean) * (-p.log_deviation).exp();
      const Tensor more = -(0.5 * (e.square() + kLogTwoPi) + p.log_deviation).sum(-1);
      nats = nats.defined() ? nats + more : more;
    }
    return nats;
  }
  Tensor sample(int64_t n, variform::Generator& rng, const Context& context) override {
    Tensor z = at::empty({n, 0}, options_);
    for (size_t l = levels_.size(); l-- > 0;) {
      const LevelMoments p = level_moments(static_cast<int64_t>(l), z, context);
      const Tensor noise = at::randn({n, levels_[l]}, rng, options_);
      z = at::cat({p.mean + p.log_deviation.exp() * noise, z}, 1);
    }
    return z;
  }
  int moments_needed() const override { return 2; }

 private:
  std::shared_ptr<nn::Sequential> network(const variform::Build& build, int64_t above, int64_t level) const {
    auto layers = std::make_shared<nn::Sequential>();
    const auto last = append_level(*layers, build, above, level, scales_);
    const at::NoGradGuard no_grad;
    for (const Tensor& parameter : last->parameters()) Tensor(parameter).zero_();
    return layers;
  }

  std::vector<int64_t> levels_;
  bool scales_;
  at::TensorOptions options_;
  std::vector<std::shared_ptr<nn::Sequential>> networks_;
  std::vector<Tensor> log_scales_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Ladder>(
    "ladder", "Latents in levels: each is Gaussian, with location and scale by a network of the next ones.",
    "Sønderby et al., Ladder Variational Autoencoders, NeurIPS 2016",
    {variform::kLevels, variform::kLevelHidden, nn::kActivation,
     variform::level_scale(
         "Whether the scale of a level depends on the next ones, or is one trained number per latent.")}))
