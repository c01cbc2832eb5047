// Planar flow: Gaussian draws sent through planar maps; its density is known at its own draws only.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace {

using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

// m(x) = log(1 + e^(x + c)) − 1 with c = log(e − 1): increasing, above −1, and m(0) = 0. The paper has c = 0, where
// m(0) < 0 and û grows like 1/‖w‖ as w vanishes, which is where encoders start.
Tensor above_minus_one(const Tensor& x) { return at::softplus(x + std::log(std::numbers::e - 1), 1, 20) - 1; }

// z -> z + û tanh(wᵀz + b), for each datum its own.
struct Planar {
  Tensor u, w, b;  // [B, d], [B, d], [B, 1]
  Tensor slope;    // wᵀû > −1, [B, 1]: then the map is invertible

  Planar(const Tensor& free_u, Tensor weight, Tensor bias) : w(std::move(weight)), b(std::move(bias)) {
    const Tensor along = (w * free_u).sum(-1, true);
    const Tensor square = w.square().sum(-1, true).clamp_min(1e-12);  // at w = 0 any û will do
    u = free_u + (above_minus_one(along) - along) * w / square;       // û, as in appendix A.1 of the paper
    slope = (w * u).sum(-1, true);
  }
};

/// A Gaussian draw z_0 = m + s ε sent through the maps: log q(z_T|x) = log N(z_0; m, s²) − Σ_t log|1 + û_tᵀψ_t(z_{t−1})|
/// with ψ(z) = tanh'(wᵀz + b) w. Draw::noise is log q of the draw itself, [K, B], summed up on the way.
class PlanarPosterior final : public variform::Posterior {
 public:
  PlanarPosterior(Tensor mean, Tensor log_variance, std::vector<Planar> maps)
      : mean_(std::move(mean)), log_variance_(std::move(log_variance)), maps_(std::move(maps)) {}

  /// The image of the Gaussian's mean: a centre, not the mean.
  Tensor location() const override { return flow(mean_).z; }
  variform::Draw rsample(int64_t K, variform::Generator& rng) const override {
    const Tensor noise = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
    const Tensor log_base = -0.5 * (noise.square() + log_variance_ + kLogTwoPi).sum(-1);
    const Flowed end = flow(mean_ + (0.5 * log_variance_).exp() * noise);
    return {end.z, log_base - end.log_det};
  }
  Tensor log_prob(const variform::Draw& draw) const override {
    if (!draw.noise.defined())
      throw variform::Unsupported(
          "a planar flow has no inverse in closed form and knows its density at its own draws only; choose a "
          "prior "
          "and an objective that ask for no other, or another family");
    return draw.noise;
  }

 private:
  struct Flowed {
    Tensor z, log_det;  // [..., B, d], [..., B]
  };
  Flowed flow(Tensor z) const {
    Tensor log_det = at::zeros(z.sizes().slice(0, z.dim() - 1), z.options());
    for (const Planar& map : maps_) {
      const Tensor h = ((z * map.w).sum(-1, true) + map.b).tanh();
      log_det = log_det + ((1 - h.square()) * map.slope).log1p().squeeze(-1);
      z = z + map.u * h;
    }
    return {z, log_det};
  }

  Tensor mean_, log_variance_;  // [B, d]
  std::vector<Planar> maps_;
};

/// The encoder outputs m [d] and log s² [d], then u [d], w [d], b for each of the maps.
class PlanarFlow final : public variform::VariationalFamily {
 public:
  explicit PlanarFlow(const variform::Build& build) : maps_(build.integer("maps")) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d + maps_ * (2 * d + 1); }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&) override {
    const int64_t d = (params.size(1) - maps_) / (2 * maps_ + 2);
    std::vector<Planar> maps;
    for (int64_t t = 0; t < maps_; ++t) {
      const int64_t first = 2 * d + t * (2 * d + 1);
      maps.emplace_back(params.narrow(1, first, d), params.narrow(1, first + d, d),
                        params.narrow(1, first + 2 * d, 1));
    }
    return std::make_unique<PlanarPosterior>(params.narrow(1, 0, d), params.narrow(1, d, d), std::move(maps));
  }

 private:
  int64_t maps_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<PlanarFlow>(
    "planar", "Gaussian draws sent through planar maps, all given by the encoder.",
    "Rezende and Mohamed, Variational Inference with Normalizing Flows, ICML 2015",
    {variform::integer("maps", 4).at_least(1).doc("Number of planar maps.")}))
