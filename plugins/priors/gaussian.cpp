// Gaussian prior; the standard normal distribution by default.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

#include "log_two_pi.h"

namespace {

using variform::Tensor;

// Returns one value per latent: `otherwise` if none is given, one number for all, or d numbers.
Tensor per_latent(const variform::Build& build, const char* key, double otherwise) {
  std::vector<double> values = build.numbers(key);
  if (values.empty()) values = {otherwise};
  if (values.size() != 1 && static_cast<int64_t>(values.size()) != build.latent)
    throw variform::Error("'" + std::string(key) + "' needs one number, or one for each of the " +
                          std::to_string(build.latent) + " latents; found " + std::to_string(values.size()));
  return at::tensor(values, at::kDouble).expand({build.latent}).contiguous().to(build.options);
}

// The Cholesky factor of the matrix that 'covariance' gives row by row, or of a multiple of the identity.
Tensor factor_of(const variform::Build& build) {
  const std::vector<double> values = build.numbers("covariance");
  const int64_t d = build.latent, found = static_cast<int64_t>(values.size());
  if (found != 1 && found != d * d)
    throw variform::Error("'covariance' needs one number, or the d² = " + std::to_string(d * d) +
                          " numbers of a matrix; found " + std::to_string(found));
  const Tensor given = at::tensor(values, at::kDouble);
  const Tensor matrix = found == 1 ? given * at::eye(d, at::kDouble) : given.reshape({d, d});
  const auto [factor, info] = at::linalg_cholesky_ex(matrix);
  if (info.item<int>() != 0 || !at::allclose(matrix, matrix.t()))
    throw variform::Error("'covariance' must be symmetric and positive definite, and this matrix is not");
  return factor.to(build.options);
}

/// p(z) = N(m, Λ), Λ = diag(s²), or L Lᵀ when `covariance` is given. Its cross-entropy needs no more than q's mean and
/// covariance, so that KL is closed for every family that has an entropy and a covariance. State when learned: `mean`
/// [d], `log_deviation` [d] (the logarithms of s, or of the diagonal of L), and `below` [d, d], of which the part below
/// the diagonal is that of L.
class Gaussian final : public variform::With<variform::Prior, variform::ClosedCrossEntropy,
                                             variform::GaussianForm, variform::MomentsNeeded> {
 public:
  explicit Gaussian(const variform::Build& build)
      : correlated_(!build.numbers("covariance").empty()), learned_(build.flag("learned")) {
    if (correlated_ && !build.numbers("deviation").empty())
      throw variform::Error("give 'deviation' or 'covariance', not both");
    const Tensor factor = correlated_ ? factor_of(build) : per_latent(build, "deviation", 1).diag();
    mean_ = own("mean", per_latent(build, "mean", 0));
    log_deviation_ = own("log_deviation", factor.diagonal().log().contiguous());
    if (correlated_) below_ = own("below", factor.tril(-1));
    if (!learned_) constant_ = current();
  }
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    const Now now = current();
    // Adds a dimension for the one covariance: z may be a single point.
    const Tensor e = now.covariance.whiten((z - mean_).unsqueeze(-2)).squeeze(-2);
    return -0.5 * e.square().sum(-1) - now.half_log_det;
  }
  Tensor sample(int64_t n, variform::Generator& rng, const variform::Context&) override {
    const Tensor noise = at::randn({n, 1, mean_.size(0)}, rng, mean_.options().requires_grad(false));
    return mean_ + current().covariance.scale(noise).squeeze(1);
  }
  std::optional<Tensor> cross_entropy(const variform::Posterior& posterior,
                                      const variform::Context&) override {
    const std::optional<variform::Covariance> q = posterior.covariance();
    if (!q) return {};
    const Now now = current();
    const Tensor away = posterior.location() - mean_;
    if (!correlated_) {  // ½ Σ_i ((m_i − μ_i)² + Σ_ii)/s_i², by one product
      const Tensor squares = at::addcmul(q->variances().to(away.scalar_type()), away, away);
      return at::addmv(now.half_log_det.expand({squares.size(0)}), squares, now.half_precision);
    }
    const Tensor square = now.covariance.whiten(away).square().sum(-1);  // [B]
    const Tensor spread = q->trace(now.covariance.precision().to(q->dtype())).to(square.scalar_type());
    return 0.5 * (square + spread) + now.half_log_det;
  }
  std::optional<variform::Gaussian> gaussian(const variform::Context&) override {
    return variform::Gaussian{mean_.unsqueeze(0), current().covariance};
  }
  int moments_needed() const override { return 2; }

 private:
  Tensor own(const char* name, const Tensor& start) {
    return learned_ ? register_parameter(name, start) : start;
  }
  variform::Covariance covariance() const {
    const Tensor deviation = log_deviation_.exp();
    if (!correlated_) return variform::Covariance::diagonal(deviation.unsqueeze(0));
    return variform::Covariance::cholesky({(below_.tril(-1) + deviation.diag()).unsqueeze(0)});
  }
  // Values derived from Λ; half_precision is undefined where Λ is not diagonal.
  struct Now {
    variform::Covariance covariance;
    Tensor half_precision;  // 1/(2s²), [d]
    Tensor half_log_det;    // ½ log det 2πΛ, []
  };
  Now current() const {
    if (constant_) return *constant_;
    const variform::Covariance sigma = covariance();
    const Tensor log_det = sigma.log_det().squeeze(0) + static_cast<double>(mean_.size(0)) * kLogTwoPi;
    return {sigma, correlated_ ? Tensor() : 0.5 * sigma.variances().squeeze(0).reciprocal(), 0.5 * log_det};
  }

  bool correlated_, learned_;
  Tensor mean_, log_deviation_, below_;
  std::optional<Now> constant_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Gaussian>(
    "gaussian", "Gaussian prior, fixed or learned; standard normal by default.",
    "Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014; theory §4",
    {variform::numbers("mean", {})
         .in("latent units")
         .doc("Mean of the latents: one number for all, or one per latent; left out, 0."),
     variform::numbers("deviation", {})
         .above(0)
         .in("latent units")
         .doc("Standard deviation of the latents: one number for all, or one per latent; left out, 1."),
     variform::numbers("covariance", {})
         .in("squared latent units")
         .doc("Covariance matrix row by row, d² numbers, instead of `deviation`; one number stands for that "
              "multiple of the identity matrix, from which a learned covariance starts."),
     variform::flag("learned", false)
         .doc("Whether mean and covariance are trained, starting at the values given; the covariance stays "
              "diagonal unless `covariance` is given.")}))
