// Laplace prior: factorised and not rotation-invariant, for the experiments on uniqueness (§7).

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

namespace {

using variform::Tensor;

/// p(z) = ∏_i exp(−|z_i|/b) / (2b), with variance 2b². The default b = 1/√2 gives every latent the variance 1 of the
/// standard normal prior. KL is a Monte Carlo estimate: −E_q log p needs E|z_i|, which the first two moments of q do
/// not determine. Its density has no curvature off the axes (V = 0 almost everywhere in §4), so that it has no Gaussian
/// form, and curvature objectives refuse it.
class Laplace final : public variform::With<variform::Prior, variform::MomentsNeeded> {
 public:
  explicit Laplace(const variform::Build& build)
      : scale_(build.number("scale")), latent_(build.latent), options_(build.options) {}
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    return z.abs().sum(-1) / -scale_ - static_cast<double>(latent_) * std::log(2 * scale_);
  }
  Tensor sample(int64_t n, variform::Generator& rng,
                const variform::Context&) override {  // difference of two exponential variables
    const Tensor pair = at::empty({2, n, latent_}, options_).exponential_(1, rng);
    return scale_ * (pair[0] - pair[1]);
  }
  int moments_needed() const override { return 1; }

 private:
  double scale_;
  int64_t latent_;
  at::TensorOptions options_;
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Laplace>("laplace", "Laplace prior with independent latents; variance 1 by default.",
                                 "Laplace 1774; theory §4 (curvature), §7 (uniqueness)",
                                 {variform::number("scale", 0.70710678118654752)
                                      .above(0)
                                      .in("latent units")
                                      .doc("Scale b of the density exp(−|z|/b)/(2b), whose variance is 2b²; "
                                           "the default 1/√2 gives variance 1.")}))
