#pragma once
// Abilities of posteriors. Unless a function says otherwise, the rules of Posterior in variform/family.h hold.

#include <variform/family.h>

namespace variform {
inline namespace v2 {

/// A posterior whose coordinates are independent. Needed by: the information metrics, β-TCVAE.
class LogMarginals {
 public:
  static constexpr std::string_view kId = "variform.log-marginals/1";  ///< its name
  /// log q(z_i|x) for z [..., B or 1, d] -> [..., B, d], whose sum over d is log_prob(). Throws Unsupported where a
  /// parameter makes the coordinates dependent.
  virtual Tensor log_marginals(const Draw& draw) const = 0;

 protected:
  ~LogMarginals() = default;
};

/// A posterior of independent coordinates, whose density is the product of its marginals.
class VARIFORM_API IndependentPosterior : public With<Posterior, LogMarginals> {
 public:
  ~IndependentPosterior() override;
  /// The sum of log_marginals().
  Tensor log_prob(const Draw& draw) const override;
};

/// A posterior that knows its entropy. With a prior's cross-entropy KL is closed; without it KL is estimated by draws.
class ClosedEntropy {
 public:
  static constexpr std::string_view kId = "variform.closed-entropy/1";  ///< its name
  /// −E_q log q, [B], in nats (§2).
  virtual Tensor entropy() const = 0;

 protected:
  ~ClosedEntropy() = default;
};

/// A posterior that knows its second central moment. Needed by: L_Taylor, the covariance metrics, a Gaussian prior's
/// KL.
class Moments {
 public:
  static constexpr std::string_view kId = "variform.moments/1";  ///< its name
  /// Σ [B or 1, d, d], of each row or of all; location() is the mean. In the dtype of location(), or float64 as §4's
  /// optimum is. Empty where a parameter leaves it infinite.
  virtual std::optional<Covariance> covariance() const = 0;

 protected:
  ~Moments() = default;
};

}  // namespace v2
}  // namespace variform
