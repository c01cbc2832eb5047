// Sylvester flow: Gaussian draws sent through maps with as many units as there are latents, all given by the encoder.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "coupling.h"
#include "flow.h"

namespace {

using variform::Tensor;

// The map z -> z + Q R tanh(R̃ Qᵀz + b), a different one for each row: Q orthogonal, R and R̃ upper triangular.
struct Map {
  Tensor q, r, r2, b;  // [B, d, d] three times, [B, d]
  Tensor slope;        // r_ii r̃_ii in (−1, 1): then the map is invertible, [B, d]
};

Tensor apply(const Tensor& matrix, const Tensor& z) {  // [B, d, d] to [..., B, d]
  return matrix.matmul(z.unsqueeze(-1)).squeeze(-1);
}

/// log q(z_T|x) = log N(z_0; m, s²) − Σ_t Σ_i log(1 + r_ii r̃_ii tanh'(·)_i) (van den Berg et al. 2018, equation 14).
class SylvesterPosterior final : public variform::flows::FlowPosterior {
 public:
  SylvesterPosterior(Tensor mean, Tensor log_variance, std::vector<Map> maps)
      : FlowPosterior(std::move(mean), std::move(log_variance),
                      "a Sylvester flow has no inverse in closed form and"),
        maps_(std::move(maps)) {}

 private:
  Flowed flow(Tensor z) const override {
    Tensor log_det = no_change(z);
    for (const Map& map : maps_) {
      const Tensor h = (apply(map.r2, apply(map.q.transpose(1, 2), z)) + map.b).tanh();
      log_det = log_det + ((1 - h.square()) * map.slope).log1p().sum(-1);
      z = z + apply(map.q, apply(map.r, h));
    }
    return {z, log_det};
  }

  std::vector<Map> maps_;
};

/// The encoder outputs m [d] and log s² [d], then for each map: `reflections` vectors whose Householder reflections
/// make Q, the numbers on and above the diagonal of R / c and of R̃ row by row (those on the diagonal through tanh),
/// and b [d]; c = coupling / √N for the N numbers of all R.
class Sylvester final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Sylvester(const variform::Build& build)
      : maps_(build.integer("maps")),
        reflections_(build.integer("reflections")),
        coupling_(variform::register_coupling(*this, build, maps_ * triangle(build.latent))) {
    const int64_t d = build.latent;
    const Tensor upper = at::ones({d, d}, at::kDouble).triu().to(at::kBool).flatten();
    places_ = upper.nonzero().squeeze(1).to(build.options.device());
  }
  int64_t parameter_count(int64_t d) const override {
    return 2 * d + maps_ * (reflections_ * d + triangle(d) * 2 + d);
  }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean before the flow", d},
            {"log-variance before the flow", d},
            {"parameters of the maps", parameter_count(d) - 2 * d}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const int64_t d = dimension();
    std::vector<Map> maps;
    int64_t at = 2 * d;
    for (int64_t t = 0; t < maps_; ++t) {
      Map map;
      map.q = variform::flows::reflections(params.narrow(1, at, reflections_ * d), d);
      at += reflections_ * d;
      map.r = upper(coupling_ * params.narrow(1, at, triangle(d)), d);
      map.r2 = upper(params.narrow(1, at + triangle(d), triangle(d)), d);
      at += 2 * triangle(d);
      map.b = params.narrow(1, at, d);
      at += d;
      map.slope = map.r.diagonal(0, 1, 2) * map.r2.diagonal(0, 1, 2);
      maps.push_back(std::move(map));
    }
    return std::make_unique<SylvesterPosterior>(params.narrow(1, 0, d), params.narrow(1, d, d),
                                                std::move(maps));
  }

 private:
  static int64_t triangle(int64_t d) { return d * (d + 1) / 2; }
  int64_t dimension() const {
    return static_cast<int64_t>(
        std::llround((std::sqrt(8.0 * static_cast<double>(places_.size(0)) + 1) - 1) / 2));
  }
  Tensor upper(const Tensor& numbers, int64_t d) const {
    const int64_t batch = numbers.size(0);
    const Tensor all =
        at::zeros({batch, d * d}, numbers.options()).index_copy(1, places_, numbers).reshape({batch, d, d});
    const Tensor diagonal = all.diagonal(0, 1, 2);
    return all + (diagonal.tanh() - diagonal).diag_embed();
  }

  int64_t maps_, reflections_;
  Tensor coupling_;  // c
  Tensor places_;    // of the numbers on and above a diagonal: constants, not state
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Sylvester>(
    "sylvester", "Gaussian draws sent through Sylvester maps, all given by the encoder.",
    "van den Berg et al., Sylvester Normalizing Flows for Variational Inference, UAI 2018",
    {variform::integer("maps", 2).at_least(1).doc("Number of maps."),
     variform::integer("reflections", 4)
         .at_least(1)
         .doc("Householder reflections that make each map's orthogonal matrix."),
     variform::coupling_parameter()}))
