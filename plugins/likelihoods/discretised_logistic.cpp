// Discretised logistic likelihood: the probability of a bin, for data on a grid such as 256 grey values.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

#include "grid.h"

namespace {

using variform::Tensor;
using variform::likelihoods::Grid;

/// Data in [0, 1] on `levels` equally spaced values, bins of width δ = 1/(levels − 1) about them, the end bins open.
/// ℓ(x, g) = −Σ log[S(a) − S(−b)], a = (x + δ/2 − g)/s, b = −(x − δ/2 − g)/s, computed as
/// log S(a) + log S(b) + log(1 − e^{−δ/s}); in the end bins log S(a) or log S(b) alone. ∂²ℓ/∂g² = [S(a)S(−a) +
/// S(b)S(−b)]/s² > 0, in the end bins one of the two (§3). There is no closed Fisher information.
class DiscretisedLogistic final : public variform::With<variform::Likelihood, variform::CurvatureForm,
                                                        variform::MissingValues, variform::NamesOutputs> {
 public:
  explicit DiscretisedLogistic(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())),
        scale_(build.number("scale")),
        grid_(build.integer("levels")),
        inside_(at::full({}, std::log(-std::expm1(-grid_.width() / scale_)), build.options)) {}

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return 1; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override { return {{"location", 1}}; }
  variform::Domain domain() const override { return variform::Domain::kUnitInterval; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    return -variform::sum_data(Grid::log_probability(grid_.bin(x.unsqueeze(1), g, scale_), inside_),
                               dimensions_, context);
  }
  Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, variform::Curvature curvature,
                        const variform::Context&) override {
    if (curvature == variform::Curvature::kFisher)
      throw variform::Unsupported(
          "the discretised logistic likelihood has no closed Fisher information; use curvature = "
          "\"hessian\", which is never negative");
    const Grid::Bin bin = grid_.bin(x.unsqueeze(1).to(t.scalar_type()), g.to(t.scalar_type()), scale_);
    const auto slope = [](const Tensor& y) { return y.sigmoid() * (-y).sigmoid(); };
    const Tensor none = at::zeros_like(bin.a);
    return variform::diagonal_curvature_form(
        t, (at::where(bin.last, none, slope(bin.a)) + at::where(bin.first, none, slope(bin.b))) /
               (scale_ * scale_));
  }
  Tensor mean(const Tensor& g) override { return grid_.mean(g.squeeze(-dimensions_ - 1), scale_); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    return grid_.sample(g.squeeze(-dimensions_ - 1), scale_, rng);
  }

 private:
  int64_t dimensions_;  // of an example
  double scale_;
  Grid grid_;
  Tensor inside_;  // log(1 − e^{−δ/s}), a constant
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<DiscretisedLogistic>(
    "discretised-logistic", "Probability of a grey value's bin under a logistic distribution.",
    "Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow, NeurIPS 2016, appendix; "
    "theory §3",
    {variform::number("scale", 0.1).above(0).in("data units").doc("Scale s of the logistic distribution."),
     variform::integer("levels", 256)
         .at_least(2)
         .doc("Number of values that the data take between 0 and 1, ends included.")}))
