// Posterior of latents in levels: each level is Gaussian, given x and the levels after it.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "../levels.h"
#include "coupling.h"

namespace {

namespace nn = variform::nn;
using variform::Context;
using variform::Draw;
using variform::LevelMoments;
using variform::Tensor;

// What a level adds to the encoder's mean and log-variance: c times a network of the levels after it and of the context.
struct Couplings {
  std::vector<int64_t> levels;
  std::vector<std::shared_ptr<nn::Sequential>> networks;  // one for each level but the last
  bool scales = true;
  Tensor factor;                           // c
  variform::PriorLevels* prior = nullptr;  // whose moments are merged with x's, if any
};

/// q(z|x) = N(z_L; m_L, s_L²) ∏_l N(z_l; m_l(z_l+1 …), s_l(z_l+1 …)²). Draw::state is mean and log-deviation of every
/// latent at the draw, [K, B, 2d].
class LadderPosterior final : public variform::With<variform::Posterior, variform::PosteriorLevels> {
 public:
  LadderPosterior(Tensor mean, Tensor log_variance, Tensor context, Couplings couplings, Context rows)
      : mean_(std::move(mean)),
        log_deviation_(0.5 * log_variance),
        context_(std::move(context)),
        couplings_(std::move(couplings)),
        rows_(std::move(rows)) {}

  /// Returns each level's mean, given those after it: a centre, not the mean.
  Tensor location() const override { return from_noise(at::zeros_like(mean_).unsqueeze(0)).z.squeeze(0); }
  Draw rsample(int64_t K, variform::Generator& rng) const override {
    return from_noise(at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options()));
  }
  Tensor log_prob(const Draw& draw) const override {
    const LevelMoments q = level_moments(draw);
    const Tensor e = (draw.z - q.mean) * (-q.log_deviation).exp();
    return -(0.5 * (e.square() + std::log(2 * std::numbers::pi)) + q.log_deviation).sum(-1);
  }
  std::vector<int64_t> levels() const override { return couplings_.levels; }
  LevelMoments level_moments(const Draw& draw) const override {
    if (draw.state.defined()) {
      const std::vector<Tensor> parts = draw.state.chunk(2, -1);
      return {parts[0], parts[1]};
    }
    std::vector<LevelMoments> all;
    int64_t end = 0;
    for (size_t l = 0; l < couplings_.levels.size(); ++l) {
      end += couplings_.levels[l];
      all.push_back(level(l, draw.z.narrow(-1, end, draw.z.size(-1) - end)));
    }
    return joined(all);
  }

 private:
  static LevelMoments joined(const std::vector<LevelMoments>& levels) {
    std::vector<Tensor> means, log_deviations;
    for (const LevelMoments& level : levels) {
      means.push_back(level.mean);
      log_deviations.push_back(level.log_deviation);
    }
    return {at::cat(means, -1), at::cat(log_deviations, -1)};
  }
  // Draws one level after the other from standard normal numbers [K, B, d], the last level first.
  Draw from_noise(const Tensor& noise) const {
    const std::vector<int64_t>& sizes = couplings_.levels;
    std::vector<LevelMoments> all(sizes.size());
    Tensor z = noise.narrow(-1, noise.size(-1), 0);
    for (size_t l = sizes.size(); l-- > 0;) {
      all[l] = level(l, z);
      const Tensor own = noise.narrow(-1, noise.size(-1) - z.size(-1) - sizes[l], sizes[l]);
      z = at::cat({all[l].mean + all[l].log_deviation.exp() * own, z}, -1);
    }
    const LevelMoments moments = joined(all);
    return {z, at::cat({moments.mean, moments.log_deviation}, -1)};
  }
  // Computes the moments of one level, given the levels after it [..., B or 1, their sizes' sum].
  LevelMoments level(size_t l, const Tensor& above) const {
    const int64_t size = couplings_.levels[l], first = mean_.size(1) - above.size(-1) - size;
    variform::Shape shape = above.sizes().vec();
    if (shape.size() > 1) shape[shape.size() - 2] = mean_.size(0);
    shape.back() = size;
    LevelMoments own{mean_.narrow(1, first, size), log_deviation_.narrow(1, first, size)};
    if (l < couplings_.networks.size()) own = merged(l, shifted(l, own, above), above);
    return {own.mean.expand(shape), own.log_deviation.expand(shape)};
  }
  LevelMoments shifted(size_t l, const LevelMoments& own, const Tensor& above) const {
    variform::Shape shape = above.sizes().vec();
    shape[shape.size() - 2] = mean_.size(0);
    variform::Shape of_context = shape;
    of_context.back() = context_.size(1);
    const Tensor input = at::cat({above.expand(shape), context_.expand(of_context)}, -1);
    const Tensor found = couplings_.factor * couplings_.networks[l]->forward(input.flatten(0, -2));
    shape.back() = found.size(1);
    const Tensor outputs = found.reshape(shape);
    const int64_t size = own.mean.size(1);
    const Tensor mean = own.mean + outputs.narrow(-1, 0, size);
    if (!couplings_.scales) return {mean, own.log_deviation};
    return {mean, own.log_deviation + 0.5 * outputs.narrow(-1, size, size)};
  }
  // Multiplies by the prior's density of the level, if that is asked for: N(m, s²) N(μ, σ²) up to a factor.
  LevelMoments merged(size_t l, const LevelMoments& own, const Tensor& above) const {
    if (!couplings_.prior) return own;
    const LevelMoments p = couplings_.prior->level_moments(static_cast<int64_t>(l), above, rows_);
    const Tensor narrower =
        2 * (own.log_deviation - p.log_deviation);  // sigmoid: the prior's share of the precision
    return {own.mean + narrower.sigmoid() * (p.mean - own.mean),
            own.log_deviation + 0.5 * at::log_sigmoid(-narrower)};
  }
  Tensor mean_, log_deviation_, context_;  // [B, d], [B, d], [B, C]
  Couplings couplings_;
  Context rows_;
};

/// The encoder outputs m [d], log s² [d] and a context [C] that every network sees. With merge = "precision" the encoder's and
/// the network's Gaussian is x's part alone, and q(z_l|z_l+1 …, x) is its product with the prior's p(z_l|z_l+1 …), as in
/// Sønderby et al. 2016, equations 11 to 16. State: `network0`, `network1`, …, `coupling`: c = coupling / √N for N outputs.
class Ladder final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Ladder(const variform::Build& build)
      : context_(build.integer("context")), merges_(build.text("merge") == "precision"), model_(build.model) {
    couplings_.levels = variform::level_sizes(build);
    couplings_.scales = build.flag("scale");
    const int64_t dependent = build.latent - couplings_.levels.back();
    couplings_.factor =
        variform::register_coupling(*this, build, couplings_.scales ? 2 * dependent : dependent);
    int64_t above = build.latent;
    for (size_t l = 0; l + 1 < couplings_.levels.size(); ++l) {
      above -= couplings_.levels[l];
      couplings_.networks.push_back(register_module("network" + std::to_string(l), network(build, above, l)));
    }
  }
  int64_t parameter_count(int64_t d) const override { return 2 * d + context_; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean without the levels above", d},
            {"log-variance without the levels above", d},
            {"context of the levels", context_}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const Context& context) override {
    const int64_t d = (params.size(1) - context_) / 2;
    const std::vector<Tensor> parts = params.split_with_sizes({d, d, context_}, 1);
    Couplings couplings = couplings_;
    if (merges_) couplings.prior = &prior();
    return std::make_unique<LadderPosterior>(parts[0], parts[1], parts[2], std::move(couplings), context);
  }

 private:
  std::shared_ptr<nn::Sequential> network(const variform::Build& build, int64_t above, size_t l) const {
    auto layers = std::make_shared<nn::Sequential>();
    append_level(*layers, build, above + context_, couplings_.levels[l], couplings_.scales);
    return layers;
  }
  variform::PriorLevels& prior() const {
    auto* found = variform::ability<variform::PriorLevels>(model_->prior());
    if (!found || found->levels() != couplings_.levels)
      throw variform::Error(
          std::string("merge = \"precision\" expects a prior of the family's levels; found ") +
          (found ? "one of other levels: give both the same 'levels'"
                 : "one without levels: choose prior \"ladder\", or merge = \"sum\""));
    return *found;
  }

  int64_t context_;
  bool merges_;
  variform::Model* model_;
  Couplings couplings_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Ladder>(
    "ladder", "Latents in levels: each is Gaussian, given x and the next levels.",
    "Sønderby et al., Ladder Variational Autoencoders, NeurIPS 2016",
    {variform::kLevels, variform::kLevelHidden, nn::kActivation,
     variform::integer("context", 16)
         .at_least(0)
         .doc("Numbers, beside mean and variance, that the encoder gives to every network."),
     variform::level_scale("Whether the scale of a level depends on the next ones, or on x alone."),
     variform::text("merge", "sum")
         .one_of({"sum", "precision"})
         .doc("What the encoder's Gaussian of a level is: the posterior itself, or what x says of it, which "
              "is multiplied by the prior's density given the next levels, weighted by precision."),
     variform::coupling_parameter()}))
