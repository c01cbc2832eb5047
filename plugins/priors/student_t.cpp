// Student-t prior: factorised, heavy-tailed and not rotation-invariant, for the experiments on uniqueness (§7).

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

/// p(z) = ∏_i of Student-t densities with ν degrees of freedom and scale s. log p grows like log|z_i|, so that
/// −E_q log p is finite for every q of the stock families. −∇² log p is negative for z_i² > νs² (§4).
class StudentT final : public variform::Prior {
 public:
  explicit StudentT(const variform::Build& build)
      : df_(build.number("df")),
        scale_(build.number("scale")),
        latent_(build.latent),
        options_(build.options) {}
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    const double constant = std::lgamma((df_ + 1) / 2) - std::lgamma(df_ / 2) -
                            0.5 * std::log(df_ * std::numbers::pi) - std::log(scale_);
    return -0.5 * (df_ + 1) * (z.square() / (df_ * scale_ * scale_)).log1p().sum(-1) +
           static_cast<double>(latent_) * constant;
  }
  Tensor sample(int64_t n, variform::Generator& rng,
                const variform::Context&) override {  // a normal over the root of a χ²/ν
    const at::TensorOptions wide = options_.dtype(at::kDouble);
    const Tensor gamma = at::_standard_gamma(at::full({n, latent_}, df_ / 2, wide), rng) * (2 / df_);
    const Tensor normal = at::randn({n, latent_}, rng, wide);
    return (scale_ * normal * gamma.clamp_min(1e-300).rsqrt()).to(options_.dtype().toScalarType());
  }

 private:
  double df_, scale_;
  int64_t latent_;
  at::TensorOptions options_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<StudentT>(
    "student-t", "Student-t prior with independent latents; variance 1 by default.",
    "Kotz and Nadarajah, Multivariate t Distributions, 2004, chapter 1; theory §7",
    {variform::number("df", 5.0).at_least(0.5).doc(
         "Degrees of freedom ν; the variance is s² ν/(ν − 2) for ν > 2."),
     variform::number("scale", 0.77459666924148340)
         .above(0)
         .in("latent units")
         .doc("Scale s; the default √(3/5) gives variance 1 at five degrees of freedom.")}))
