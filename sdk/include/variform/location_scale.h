#pragma once
// Mean-field posteriors of one shape: z_i = m_i + s_i e_i with independent e_i of a fixed standard distribution. Unless
// a function says otherwise, the rules of Posterior in variform/family.h hold; source: theory §4.

#include <variform/ext/posterior.h>

namespace variform {
inline namespace v2 {

/// ∏_i f((z_i − m_i)/s_i)/s_i for a density f that is symmetric about 0. A subclass says what f is; draws, density,
/// entropy and moments follow. Draw::state is e.
class VARIFORM_API LocationScalePosterior : public With<IndependentPosterior, ClosedEntropy, Moments> {
 public:
  /// location and scale [B, d], scale > 0.
  LocationScalePosterior(Tensor location, Tensor scale);
  ~LocationScalePosterior() override;

  Tensor location() const override { return location_; }
  Draw rsample(int64_t K, Generator& rng) const override;
  Tensor log_marginals(const Draw& draw) const override;
  Tensor entropy() const override;
  /// Empty when the standard distribution has no variance.
  std::optional<Covariance> covariance() const override;

 protected:
  /// Draws of e, [K, B, d] or what `shape` says, in like's dtype and on its device, from `rng` only; `like` is [B, d].
  /// Without autograd: no parameter moves e.
  virtual Tensor standard_sample(at::IntArrayRef shape, const Tensor& like, Generator& rng) const = 0;
  /// log f(e), elementwise: [..., B, d] -> the same shape.
  virtual Tensor standard_log_density(const Tensor& e) const = 0;
  /// −E log f(e) in nats.
  virtual double standard_entropy() const = 0;
  /// E e², or empty when it is infinite.
  virtual std::optional<double> standard_variance() const = 0;

 private:
  Tensor location_, scale_;  // [B, d]
};

}  // namespace v2
}  // namespace variform
