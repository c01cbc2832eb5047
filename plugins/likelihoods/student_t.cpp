// Student-t likelihood: robust against outliers, and not convex in them.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

/// ℓ(x, g) = Σ ((ν+1)/2) log(1 + r²/(νs²)) + constants, r = x − g. ∂²ℓ/∂g² = (ν+1)(νs² − r²)/(νs² + r²)², negative
/// where r² > νs²: curvature objectives may then be unbounded below (§4) and should use the Fisher information,
/// (ν+1)/((ν+3)s²) (§3).
class StudentT final : public variform::With<variform::Likelihood, variform::CurvatureForm,
                                             variform::MissingValues, variform::NamesOutputs> {
 public:
  explicit StudentT(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())),
        size_(build.data_size()),
        df_(build.number("df")),
        scale_(build.number("scale")) {}

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return 1; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override { return {{"location", 1}}; }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    const double constant = std::lgamma(df_ / 2) - std::lgamma((df_ + 1) / 2) +
                            0.5 * std::log(df_ * std::numbers::pi) + std::log(scale_);
    const Tensor square = (x.unsqueeze(1) - g).square() / (df_ * scale_ * scale_);
    return variform::with_constant(0.5 * (df_ + 1) * variform::sum_data(square.log1p(), dimensions_, context),
                                   constant, size_, context);
  }
  Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, variform::Curvature curvature,
                        const variform::Context&) override {
    const double square = scale_ * scale_;
    if (curvature == variform::Curvature::kFisher)
      return variform::diagonal_curvature_form(t,
                                               at::full({}, (df_ + 1) / ((df_ + 3) * square), t.options()));
    const Tensor r2 = (x.unsqueeze(1) - g).to(t.scalar_type()).square();
    return variform::diagonal_curvature_form(t,
                                             (df_ + 1) * (df_ * square - r2) / (df_ * square + r2).square());
  }
  /// The centre, which is the mean for ν > 1.
  Tensor mean(const Tensor& g) override { return g.squeeze(-dimensions_ - 1); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Tensor location = mean(g);
    const at::TensorOptions wide = location.options().dtype(at::kDouble).requires_grad(false);
    const Tensor gamma = at::_standard_gamma(at::full(location.sizes(), df_ / 2, wide), rng) * (2 / df_);
    const Tensor normal = at::randn(location.sizes(), rng, wide);
    return location + (scale_ * normal * gamma.clamp_min(1e-300).rsqrt()).to(location.scalar_type());
  }

 private:
  int64_t dimensions_;  // of an example
  int64_t size_;
  double df_, scale_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<StudentT>(
    "student-t", "Student-t observation noise, robust against outliers.",
    "Lange, Little and Taylor, Robust Statistical Modeling Using the t Distribution, 1989; theory §3",
    {variform::number("df", 5.0).at_least(0.5).doc("Degrees of freedom ν."),
     variform::number("scale", 1.0).above(0).in("data units").doc("Scale s of the noise.")}))
