// Gaussian prior with independent coordinates; the standard normal distribution by default.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

// [] is `otherwise` for every latent, one number holds for all, d numbers are one a latent.
Tensor per_latent(const variform::Build& build, const char* key, double otherwise) {
  std::vector<double> values = build.numbers(key);
  if (values.empty()) values = {otherwise};
  if (values.size() != 1 && static_cast<int64_t>(values.size()) != build.latent)
    throw variform::Error("'" + std::string(key) + "' needs one number, or one for each of the " +
                          std::to_string(build.latent) + " latents; found " + std::to_string(values.size()));
  return at::tensor(values, at::kDouble).expand({build.latent}).contiguous().to(build.options);
}

/// p(z) = ∏_i N(z_i; m_i, s_i²). Its cross-entropy needs no more than q's mean and variances, so that KL is closed for
/// every family that has an entropy and a covariance.
class Gaussian final : public variform::Prior {
 public:
  explicit Gaussian(const variform::Build& build)
      : mean_(per_latent(build, "mean", 0)), deviation_(per_latent(build, "deviation", 1)) {
    constant_ = (deviation_.log() + 0.5 * kLogTwoPi).sum();
  }
  Tensor log_prob(const Tensor& z) override {
    return -0.5 * ((z - mean_) / deviation_).square().sum(-1) - constant_;
  }
  Tensor sample(int64_t n, variform::Generator& rng) override {
    return mean_ + deviation_ * at::randn({n, mean_.size(0)}, rng, mean_.options());
  }
  std::optional<Tensor> cross_entropy(const variform::Posterior& posterior) override {
    const std::optional<variform::Covariance> covariance = posterior.covariance();
    if (!covariance) return {};
    const Tensor second = covariance->variances() + (posterior.location() - mean_).square();  // [B, d]
    return 0.5 * (second / deviation_.square()).sum(-1) + constant_;
  }
  std::optional<variform::Gaussian> gaussian() override {
    return variform::Gaussian{mean_.unsqueeze(0), variform::Covariance::diagonal(deviation_.unsqueeze(0))};
  }
  int moments_needed() const override { return 2; }

 private:
  Tensor mean_, deviation_, constant_;  // [d], [d], []: constants of the config, not state
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Gaussian>(
    "gaussian", "Gaussian prior with independent latents; standard normal by default.",
    "Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014; theory §4",
    {variform::numbers("mean", {})
         .in("latent units")
         .doc("Mean of the latents: one number for all, or one for each latent; left out, 0."),
     variform::numbers("deviation", {})
         .above(0)
         .in("latent units")
         .doc(
             "Standard deviation of the latents: one number for all, or one for each latent; left out, 1.")}))
