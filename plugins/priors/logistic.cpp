// Logistic prior: factorised, smooth, between Gaussian and Laplace.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

namespace {

using variform::Tensor;

/// p(z) = ∏_i S(u_i) S(−u_i)/s, u = z/s, S the sigmoid; variance (π²/3) s².
class Logistic final : public variform::With<variform::Prior, variform::MomentsNeeded> {
 public:
  explicit Logistic(const variform::Build& build)
      : scale_(build.number("scale")), latent_(build.latent), options_(build.options) {}
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    const Tensor u = z / scale_;
    return (at::log_sigmoid(u) + at::log_sigmoid(-u)).sum(-1) -
           static_cast<double>(latent_) * std::log(scale_);
  }
  Tensor sample(int64_t n, variform::Generator& rng,
                const variform::Context&) override {  // log ratio of two exponential variables
    const Tensor e = at::empty({2, n, latent_}, options_).exponential_(1, rng);
    return scale_ * (e[1].log() - e[0].log());
  }
  int moments_needed() const override { return 1; }

 private:
  double scale_;
  int64_t latent_;
  at::TensorOptions options_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Logistic>(
    "logistic", "Logistic prior with independent latents; variance 1 by default.",
    "Dinh, Krueger and Bengio, NICE, ICLR 2015 workshop, section 3.4; theory §7",
    {variform::number("scale", 0.55132889542179204)
         .above(0)
         .in("latent units")
         .doc("Scale s; the default √3/π gives variance 1.")}))
