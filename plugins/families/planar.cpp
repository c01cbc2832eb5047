// Planar flow: Gaussian draws sent through planar maps; its density is known at its own draws only.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "coupling.h"
#include "flow.h"

namespace {

using variform::Tensor;

// m(x) = log(1 + e^(x + c)) − 1 with c = log(e − 1): increasing, above −1, and m(0) = 0. The paper has c = 0, which
// gives m(0) < 0: û then grows like 1/‖w‖ as w vanishes, and encoders start near w = 0.
Tensor above_minus_one(const Tensor& x) { return at::softplus(x + std::log(std::numbers::e - 1), 1, 20) - 1; }

// The map z -> z + û tanh(wᵀz + b), a different one for each row.
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

/// A Gaussian draw z_0 = m + s ε sent through the maps: log q(z_T|x) = log N(z_0; m, s²) − Σ_t log|1 +
/// û_tᵀψ_t(z_{t−1})| with ψ(z) = tanh'(wᵀz + b) w.
class PlanarPosterior final : public variform::flows::FlowPosterior {
 public:
  PlanarPosterior(Tensor mean, Tensor log_variance, std::vector<Planar> maps)
      : FlowPosterior(std::move(mean), std::move(log_variance),
                      "a planar flow has no inverse in closed form and"),
        maps_(std::move(maps)) {}

 private:
  Flowed flow(Tensor z) const override {
    Tensor log_det = no_change(z);
    for (const Planar& map : maps_) {
      const Tensor h = ((z * map.w).sum(-1, true) + map.b).tanh();
      log_det = log_det + ((1 - h.square()) * map.slope).log1p().squeeze(-1);
      z = z + map.u * h;
    }
    return {z, log_det};
  }

  std::vector<Planar> maps_;
};

/// The encoder outputs m [d] and log s² [d], then u / c [d], w [d], b for each of the maps, c = coupling / √(maps d).
class PlanarFlow final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit PlanarFlow(const variform::Build& build)
      : maps_(build.integer("maps")),
        coupling_(variform::register_coupling(*this, build, maps_ * build.latent)) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d + maps_ * (2 * d + 1); }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean before the flow", d},
            {"log-variance before the flow", d},
            {"parameters of the maps", maps_ * (2 * d + 1)}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const int64_t d = (params.size(1) - maps_) / (2 * maps_ + 2);
    std::vector<Planar> maps;
    for (int64_t t = 0; t < maps_; ++t) {
      const int64_t first = 2 * d + t * (2 * d + 1);
      maps.emplace_back(coupling_ * params.narrow(1, first, d), params.narrow(1, first + d, d),
                        params.narrow(1, first + 2 * d, 1));
    }
    return std::make_unique<PlanarPosterior>(params.narrow(1, 0, d), params.narrow(1, d, d), std::move(maps));
  }

 private:
  int64_t maps_;
  Tensor coupling_;  // c
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<PlanarFlow>(
    "planar", "Gaussian draws sent through planar maps, all given by the encoder.",
    "Rezende and Mohamed, Variational Inference with Normalizing Flows, ICML 2015",
    {variform::integer("maps", 4).at_least(1).doc("Number of planar maps."), variform::coupling_parameter()}))
