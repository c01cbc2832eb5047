// Mean-field Gaussian posterior: the family under which the decoder's columns are pushed towards orthogonality (§4).

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

class DiagonalPosterior final : public variform::Posterior {
 public:
  DiagonalPosterior(Tensor mean, Tensor log_variance)
      : mean_(std::move(mean)),
        log_variance_(std::move(log_variance)),
        deviation_((0.5 * log_variance_).exp()) {}

  Tensor location() const override { return mean_; }
  variform::Draw rsample(int64_t K, variform::Generator& rng) const override {
    const Tensor noise = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
    return {mean_ + deviation_ * noise, noise};
  }
  Tensor marginals(const variform::Draw& draw) const override {
    const Tensor noise = draw.noise.defined() ? draw.noise : (draw.z - mean_) / deviation_;
    return -0.5 * (noise.square() + log_variance_ + kLogTwoPi);
  }
  std::optional<Tensor> entropy() const override {
    return 0.5 * (log_variance_.sum(-1) + static_cast<double>(mean_.size(1)) * (kLogTwoPi + 1));
  }
  std::optional<variform::Covariance> covariance() const override {
    return variform::Covariance::diagonal(deviation_);
  }

 private:
  Tensor mean_, log_variance_, deviation_;  // [B, d]
};

/// q(z|x) = ∏_i N(z_i; m_i, s_i²) (Kingma and Welling 2014, appendix B). The encoder outputs 2d numbers: the mean m,
/// then the logarithm of the variance relative to `deviation`²: log s² = output + 2 log deviation. An encoder that
/// outputs zeros thus gives N(0, deviation² I), by default the standard normal prior itself.
class Diagonal final : public variform::VariationalFamily {
 public:
  explicit Diagonal(const variform::Build& build) : offset_(2 * std::log(build.number("deviation"))) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&) override {
    const std::vector<Tensor> parts = params.chunk(2, -1);
    return std::make_unique<DiagonalPosterior>(parts[0], parts[1] + offset_);
  }

 private:
  double offset_;
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Diagonal>("diagonal", "Gaussian posterior with independent latents (mean-field).",
                                  "Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014; theory §4",
                                  {variform::number("deviation", 1.0)
                                       .above(0)
                                       .in("latent units")
                                       .doc("Standard deviation of every latent for an encoder output of "
                                            "zero, which is about where training starts.")}))
