#pragma once
// A Gaussian posterior of any covariance: what is left for a family to do is to make mean and covariance from the
// encoder's output.

#include <variform/ext/posterior.h>

namespace variform {
inline namespace v2 {

/// N(mean, Σ) for a batch (§1's Gaussian q): draws, density, entropy and moments in closed form. Draw::state is L⁻¹(z −
/// m).
class VARIFORM_API GaussianPosterior : public With<Posterior, LogMarginals, ClosedEntropy, Moments> {
 public:
  /// mean [B, d]; covariance [B or 1, d, d], in the mean's dtype (or in float64, as §4's optimum is: draws and
  /// densities then have the mean's dtype). Error when their dimensions differ.
  GaussianPosterior(Tensor mean, Covariance covariance);
  ~GaussianPosterior() override;

  Tensor location() const override { return mean_; }
  Draw rsample(int64_t K, Generator& rng) const override;
  Tensor log_prob(const Draw& draw) const override;
  /// Throws Unsupported unless the coordinates are independent (Covariance::is_diagonal).
  Tensor log_marginals(const Draw& draw) const override;
  Tensor entropy() const override;
  std::optional<Covariance> covariance() const override { return covariance_; }

 private:
  Tensor noise_of(const Draw& draw) const;

  Tensor mean_;  // [B, d]
  Covariance covariance_;
};

}  // namespace v2
}  // namespace variform
