// Posteriors that several families use, and what is known of each of their latents.

#include <variform/gaussian_posterior.h>
#include <variform/latent_kl.h>
#include <variform/location_scale.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace variform {
inline namespace v2 {
namespace {

const double kLogTwoPi = std::log(2 * std::numbers::pi);

}  // namespace

GaussianPosterior::GaussianPosterior(Tensor mean, Covariance covariance)
    : mean_(std::move(mean)), covariance_(std::move(covariance)) {
  if (mean_.dim() != 2 || mean_.size(1) != covariance_.dimension())
    throw Error("a Gaussian posterior expects a mean [B, " + std::to_string(covariance_.dimension()) +
                "], which is its covariance's dimension; found " + to_text(mean_.sizes()));
}
GaussianPosterior::~GaussianPosterior() = default;

IndependentPosterior::~IndependentPosterior() = default;
Tensor IndependentPosterior::log_prob(const Draw& draw) const {
  const Tensor marginals = static_cast<const LogMarginals&>(*this).log_marginals(draw);
  if (marginals.dim() != draw.z.dim() || marginals.size(-1) != draw.z.size(-1))
    throw Error("log_marginals returned " + to_text(marginals.sizes()) + " for z " + to_text(draw.z.sizes()) +
                "; expected one number per latent of each draw");
  return marginals.sum(-1);
}

Draw GaussianPosterior::rsample(int64_t K, Generator& rng) const {
  Tensor noise = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
  const Tensor scaled = covariance_.scale(noise.to(covariance_.dtype()));
  return {mean_ + scaled.to(mean_.scalar_type()), noise};
}

Tensor GaussianPosterior::noise_of(const Draw& draw) const {
  if (draw.state.defined()) return draw.state.to(covariance_.dtype());
  return covariance_.whiten((draw.z - mean_).to(covariance_.dtype()));
}

Tensor GaussianPosterior::log_prob(const Draw& draw) const {
  const Tensor square = noise_of(draw).square().sum(-1);
  const Tensor constant = covariance_.log_det() + static_cast<double>(mean_.size(1)) * kLogTwoPi;
  return (-0.5 * (square + constant)).to(mean_.scalar_type());
}

Tensor GaussianPosterior::log_marginals(const Draw& draw) const {
  if (!covariance_.is_diagonal())
    throw Unsupported(
        "the latents of this posterior are correlated, so that its density is not a product of marginals; "
        "use a mean-field family, such as 'diagonal'");
  const Tensor log_variance = covariance_.variances().log();
  return (-0.5 * (noise_of(draw).square() + log_variance + kLogTwoPi)).to(mean_.scalar_type());
}

Tensor GaussianPosterior::entropy() const {
  const Tensor log_det = covariance_.log_det();
  const Tensor constant =
      at::full({}, 0.5 * static_cast<double>(mean_.size(1)) * (kLogTwoPi + 1), log_det.options());
  return at::add(constant, log_det, 0.5).to(mean_.scalar_type()).expand({mean_.size(0)});
}

LocationScalePosterior::LocationScalePosterior(Tensor location, Tensor scale)
    : location_(std::move(location)), scale_(std::move(scale)) {}
LocationScalePosterior::~LocationScalePosterior() = default;

Draw LocationScalePosterior::rsample(int64_t K, Generator& rng) const {
  const Tensor e = standard_sample({K, location_.size(0), location_.size(1)}, location_, rng);
  return {location_ + scale_ * e, e};
}

Tensor LocationScalePosterior::log_marginals(const Draw& draw) const {
  const Tensor e = draw.state.defined() ? draw.state : (draw.z - location_) / scale_;
  return standard_log_density(e) - scale_.log();
}

Tensor LocationScalePosterior::entropy() const {
  return scale_.log().sum(1) + static_cast<double>(location_.size(1)) * standard_entropy();
}

std::optional<Covariance> LocationScalePosterior::covariance() const {
  const std::optional<double> variance = standard_variance();
  if (!variance) return {};
  return Covariance::diagonal(scale_ * std::sqrt(*variance));
}

LatentKl latent_kl(const Posterior& posterior, const Draw& draw, const Gaussian& prior) {
  constexpr double kTwoPi = 2 * std::numbers::pi;
  const std::optional<Covariance> given = posterior.covariance();
  if (!given)
    throw Unsupported("the posterior has no covariance, so that no latent's cross-entropy is known");
  const Covariance covariance = given->to(at::kDouble);
  const Tensor variances = covariance.variances();                  // [B, d]
  const Tensor own = prior.covariance.to(at::kDouble).variances();  // [1, d]
  const Tensor off = (posterior.location() - prior.mean).to(at::kDouble);
  const Tensor cross = 0.5 * ((kTwoPi * own).log() + (variances + off.square()) / own);
  const auto d = static_cast<double>(variances.size(1));
  if (const std::optional<Tensor> entropy = posterior.entropy()) {
    const Tensor gaussian = 0.5 * (d * std::log(kTwoPi * std::numbers::e) + covariance.log_det());
    const bool closed = (gaussian - *entropy).abs().max().item<double>() < 1e-5 * d;
    if (closed) return {cross - 0.5 * (kTwoPi * std::numbers::e * variances).log(), true};
  }
  return {cross + posterior.log_marginals(draw).to(at::kDouble).mean(0), false};
}

}  // namespace v2
}  // namespace variform
