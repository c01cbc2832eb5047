// Mean-field Student-t posterior: heavier tails than a Gaussian's.

#include <variform/location_scale.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace {

using variform::Tensor;

// Computes ψ(x) for x > 0: ψ(x) = ψ(x + 6) − Σ 1/(x + k), then its asymptotic series.
double digamma(double x) {
  double shift = 0;
  for (; x < 6; ++x) shift -= 1 / x;
  const double y = 1 / (x * x);
  return shift + std::log(x) - 0.5 / x - y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y / 240)));
}

/// f(e) ∝ (1 + e²/ν)^(−(ν+1)/2); variance ν/(ν − 2) for ν > 2.
class StudentTPosterior final : public variform::LocationScalePosterior {
 public:
  StudentTPosterior(Tensor location, Tensor scale, double df)
      : LocationScalePosterior(std::move(location), std::move(scale)), df_(df) {}

 protected:
  Tensor standard_sample(at::IntArrayRef shape, const Tensor& like, variform::Generator& rng) const override {
    // A normal over the root of a χ²/ν, which is a Gamma(ν/2)·2/ν; float64, for small ν.
    const at::TensorOptions wide = like.options().dtype(at::kDouble).requires_grad(false);
    const Tensor gamma = at::_standard_gamma(at::full(shape, df_ / 2, wide), rng);
    const Tensor normal = at::randn(shape, rng, wide);
    return (normal * (gamma * (2 / df_)).clamp_min(1e-300).rsqrt()).to(like.scalar_type());
  }
  Tensor standard_log_density(const Tensor& e) const override {
    return log_constant() - 0.5 * (df_ + 1) * (e.square() / df_).log1p();
  }
  double standard_entropy() const override {
    const double half = (df_ + 1) / 2;
    return half * (digamma(half) - digamma(df_ / 2)) - log_constant();
  }
  std::optional<double> standard_variance() const override {
    if (df_ <= 2) return {};
    return df_ / (df_ - 2);
  }

 private:
  double log_constant() const {
    return std::lgamma((df_ + 1) / 2) - std::lgamma(df_ / 2) - 0.5 * std::log(df_ * std::numbers::pi);
  }
  double df_;
};

/// q(z|x) = ∏_i of Student-t distributions with ν degrees of freedom about m_i with scale s_i. The encoder outputs
/// m [d], then log(s/scale)² [d]. For ν ≤ 2 it has no variance, and a Gaussian prior is refused, since KL would be
/// infinite (§2).
class StudentT final
    : public variform::With<variform::VariationalFamily, variform::FiniteMoments, variform::NamesOutputs> {
 public:
  explicit StudentT(const variform::Build& build) : df_(build.number("df")), scale_(build.number("scale")) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"location", d}, {"2 log(scale of the latent / scale)", d}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const std::vector<Tensor> parts = params.chunk(2, -1);
    return std::make_unique<StudentTPosterior>(parts[0], scale_ * (0.5 * parts[1]).exp(), df_);
  }
  int finite_moments() const override {  // the highest below ν
    return static_cast<int>(std::min(std::ceil(df_) - 1, 1e6));
  }

 private:
  double df_, scale_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<StudentT>(
    "student-t", "Mean-field posterior of Student-t distributions.",
    "Kotz and Nadarajah, Multivariate t Distributions, 2004, chapter 1; theory §2, §7",
    {variform::number("df", 5.0).at_least(0.5).doc("Degrees of freedom ν; moments of order below ν exist."),
     variform::number("scale", 0.5)
         .above(0)
         .in("latent units")
         .doc("Scale of every latent for an encoder output of zero.")}))
