// Gaussian draws sent through Householder reflections: a full covariance by its eigenvectors, as a volume-preserving
// flow.

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include "coupling.h"
#include "flow.h"

namespace {

using variform::Tensor;

/// z = U (m + s ε), U = H_T … H_1, H_t = I − 2 v_t v_tᵀ/‖v_t‖²: N(Um, U diag(s²) Uᵀ), everything in closed form. The
/// encoder outputs m [d], log s² [d], then n_1 … n_T [d each]: v_t = e_t + c n_t, c = coupling / √(T d), where the
/// constant directions e_t are the same for every two of the reflections: at n = 0 these undo each other, and U = I.
/// With an odd T the last one changes the sign of z_1.
class Householder final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Householder(const variform::Build& build)
      : reflections_(build.integer("reflections")),
        coupling_(variform::register_coupling(*this, build, reflections_ * build.latent)),
        directions_(variform::flows::paired_directions(reflections_, build.latent, build.options)) {}
  int64_t parameter_count(int64_t d) const override { return (2 + reflections_) * d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean before the reflections", d},
            {"log-variance before the reflections", d},
            {"directions of the reflections", reflections_ * d}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const int64_t batch = params.size(0), d = params.size(1) / (2 + reflections_);
    const Tensor u = variform::flows::reflections(
        directions_.to(params.options()) + coupling_ * params.slice(1, 2 * d), d);
    const Tensor mean = u.matmul(params.narrow(1, 0, d).unsqueeze(2)).squeeze(2);
    const Tensor variances = params.narrow(1, d, d).exp();
    return std::make_unique<variform::GaussianPosterior>(
        mean, variform::Covariance::low_rank(u, variances, at::ones({batch}, params.options())));
  }

 private:
  int64_t reflections_;
  Tensor coupling_;    // c
  Tensor directions_;  // [T d], constants
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Householder>(
    "householder", "Gaussian draws sent through Householder reflections that the encoder gives.",
    "Tomczak and Welling, Improving Variational Auto-Encoders using Householder Flow, 2016",
    {variform::integer("reflections", 4)
         .at_least(1)
         .doc("Number T of reflections; d of them reach every covariance."),
     variform::coupling_parameter()}))
