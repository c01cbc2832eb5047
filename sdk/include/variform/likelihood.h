#pragma once
// Likelihood: ℓ(x, g) = −log p(x|g), its second derivative in g, mean and samples.

#include <variform/component.h>

#include <optional>

namespace variform {
inline namespace v1 {

/// What values of a datum a likelihood is defined for; held against the data set's when a config is composed.
/// Each admits what its predecessors in {binary ⊂ unit interval ⊂ real}, {binary ⊂ count ⊂ real} hold.
enum class Domain { kReal, kUnitInterval, kBinary, kCount, kCategorical };
/// The domain's name in words, for messages.
VARIFORM_API const char* to_string(Domain domain);

/// Which second derivative: exact ∂²ℓ/∂g², or its expectation under the model (Fisher information). §3's table.
enum class Curvature { kHessian, kFisher };
/// The form's name in words, for messages.
VARIFORM_API const char* to_string(Curvature curvature);

/// An observation model on the decoder's natural output g (logits, log-rate, mean …; never squashed).
/// Shapes: x [B, data…]; g [..., B, n, data…] with n = outputs(). Everything in nats, summed over data values.
class VARIFORM_API Likelihood : public Component {
 public:
  ~Likelihood() override;
  /// Numbers decoded per data value.
  virtual int64_t outputs() const { return 1; }
  /// The values of x that it is defined for.
  virtual Domain domain() const { return Domain::kReal; }
  /// σ² such that β_eff = βσ² (§2): the variance of a Gaussian, 1 for Bernoulli; empty: β_eff is not defined.
  virtual std::optional<Tensor> reference_variance() const { return {}; }
  /// −log p(x|g), constants kept: x [B, data…], g [..., B, n, data…] -> [..., B].
  virtual Tensor nll(const Tensor& x, const Tensor& g) = 0;
  /// tᵀ H_ℓ t: t [T, B, n, data…] (float64) -> [B, T, T], symmetric, differentiable in g and t. The result has t's
  /// dtype. Throws Unsupported when the asked form does not exist.
  virtual Tensor gram(const Tensor& x, const Tensor& g, const Tensor& t, Curvature curvature) = 0;
  /// E[x|g] [..., B, data…].
  virtual Tensor mean(const Tensor& g) = 0;
  /// One draw of x for each g, [..., B, data…], from `rng` only.
  virtual Tensor sample(const Tensor& g, Generator& rng) = 0;
  /// c when ∂²ℓ/∂g² is c times the identity, whatever x and g are (a Gaussian of one variance: 1/σ²): a number without
  /// dimensions, differentiable; empty otherwise. gram() is then c times the tangents' inner products.
  virtual std::optional<Tensor> isotropic_curvature() const { return {}; }
};

/// Sum of products over the data of weighted tangents: [T, B, n, data…] with weight broadcastable to [B, n, data…]
/// -> [B, T, T]: the gram matrix of every likelihood whose H_ℓ is diagonal.
VARIFORM_API Tensor diagonal_gram(const Tensor& t, const Tensor& weight);

}  // namespace v1
}  // namespace variform
