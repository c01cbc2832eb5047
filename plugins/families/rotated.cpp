// The completion Q_R of the mean-field family: a mean-field posterior behind one rotation for all data (§7b).

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

/// q(z|x) = N(R m, R diag(s²) Rᵀ), R orthogonal and the same for every x. The encoder outputs m [d], then log s² [d],
/// as for `diagonal`. R = M exp(A), A skew-symmetric; `angle` turns every pair of neighbouring latents (1 and 2, 3 and
/// 4, …), `matrix` gives an orthogonal M, by default I, and `learned` trains all d(d−1)/2 numbers of A from there: the
/// family then chooses its own coordinates.
class Rotated final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Rotated(const variform::Build& build) {
    const int64_t d = build.latent;
    const Tensor upper = at::ones({d, d}, at::kDouble).triu(1).to(at::kBool).flatten();
    places_ = upper.nonzero().squeeze(1).to(build.options.device());
    Tensor a = at::zeros({d, d}, at::kDouble);
    for (int64_t i = 0; i + 1 < d; i += 2) a[i][i + 1] = -build.number("angle") * std::numbers::pi / 180;
    const Tensor start = a.flatten().to(build.options).index_select(0, places_);
    given_ = given(build).to(build.options);
    generator_ = build.flag("learned") ? register_parameter("rotation", start) : start;
  }
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean before the rotation", d}, {"log-variance before the rotation", d}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const int64_t batch = params.size(0), d = params.size(1) / 2;
    const Tensor upper =
        at::zeros({d * d}, params.options()).index_put({places_}, generator_).reshape({d, d});
    const Tensor r = given_.to(params.options()).mm(at::linalg_matrix_exp(upper - upper.t()));
    const std::vector<Tensor> parts = params.chunk(2, -1);
    return std::make_unique<variform::GaussianPosterior>(
        parts[0].mm(r.t()), variform::Covariance::low_rank(r.expand({batch, d, d}), parts[1].exp(),
                                                           at::ones({batch}, params.options())));
  }

 private:
  static Tensor given(const variform::Build& build) {
    const int64_t d = build.latent;
    const std::vector<double> numbers = build.numbers("matrix");
    if (numbers.empty()) return at::eye(d, at::kDouble);
    if (static_cast<int64_t>(numbers.size()) != d * d)
      throw variform::Error("'matrix' must hold d² = " + std::to_string(d * d) +
                            " numbers, row by row; found " + std::to_string(numbers.size()));
    const Tensor m = at::tensor(numbers, at::kDouble).reshape({d, d});
    const double away = (m.mm(m.t()) - at::eye(d, at::kDouble)).abs().max().item<double>();
    if (!(away < 1e-6))
      throw variform::Error("'matrix' must be orthogonal; found M Mᵀ − I with an entry of " +
                            std::to_string(away) + "; orthonormalise its rows");
    return m;
  }

  Tensor places_, generator_;  // indices of A's numbers above its diagonal; these numbers
  Tensor given_;               // M, a constant
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Rotated>(
    "rotated", "Mean-field Gaussian posterior behind one rotation, given or learned.",
    "Kumar and Poole, On Implicit Regularization in β-VAEs, ICML 2020, section 2; theory §7",
    {variform::number("angle", 0.0)
         .at_least(-360)
         .at_most(360)
         .in("degrees")
         .doc("Rotation of latents 1 and 2, 3 and 4, …; where its training starts when it is learned."),
     variform::numbers("matrix", {})
         .doc("Orthogonal matrix row by row, d² numbers, before which `angle` turns; left out, none."),
     variform::flag("learned", false).doc("Whether the rotation is trained.")}))
