#pragma once
// Likelihood: ℓ(x, g) = −log p(x|g), its second derivative in g, mean and samples. Unless a function says otherwise,
// the rules of variform/component.h hold; calls: any number of times; source: theory §1, §3.

#include <variform/component.h>

#include <optional>

namespace variform {
inline namespace v2 {

/// What values a likelihood is defined for; held against the data set's when a config is composed. Each admits what its
/// predecessors in {binary ⊂ unit interval ⊂ real}, {binary ⊂ count ⊂ real} hold.
enum class Domain { kReal, kUnitInterval, kBinary, kCount, kCategorical };
/// The domain's name in words, for messages.
VARIFORM_API const char* to_string(Domain domain);

/// Which second derivative: exact ∂²ℓ/∂g², or its expectation under the model (Fisher information). §3's table.
enum class Curvature { kHessian, kFisher };
/// The form's name in words, for messages.
VARIFORM_API const char* to_string(Curvature curvature);
/// The form that a component's `curvature` parameter names: "hessian" or "fisher". Error otherwise.
VARIFORM_API Curvature curvature_named(std::string_view name);

/// An observation model on the decoder's natural output g (logits, log-rate, mean …; never squashed). Shapes: x [B,
/// data…]; g [..., B, n, data…] with n = outputs(); B ≥ 0. Everything in nats, summed over data values, in g's dtype,
/// which is that of Build::options under mixed precision, too. Abilities: ext/likelihood.h.
class VARIFORM_API Likelihood : public Component {
 public:
  static constexpr Kind kKind = Kind::kLikelihood;  ///< what kind of component it is
  ~Likelihood() override;
  /// Numbers decoded per data value. The same each time; asked before the decoder is built.
  virtual int64_t outputs() const = 0;
  /// The values of x that it is defined for. The same each time.
  virtual Domain domain() const = 0;
  /// −log p(x|g), constants kept: x [B, data…], g [..., B, n, data…] -> [..., B]. Where context.mask is defined
  /// (ability MissingValues only), that of the observed values. Several times per step, in training mode in training
  /// only.
  virtual Tensor nll(const Tensor& x, const Tensor& g, const Context& context) = 0;
  /// g [..., B, n, data…] -> E[x|g] [..., B, data…].
  virtual Tensor mean(const Tensor& g) = 0;
  /// One draw of x for each g, [..., B, n, data…] -> [..., B, data…], from `rng` only; it need not be differentiable.
  virtual Tensor sample(const Tensor& g, Generator& rng) = 0;

  /// tᵀ H_ℓ t by the ability CurvatureForm: t [T, B, n, data…] -> [B, T, T], x [B, data…], g [B, n, data…].
  /// What the context's mask excludes counts as 0 in
  /// t. Throws Unsupported without it, or when the asked form does not exist.
  Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, Curvature curvature,
                        const Context& context);
  /// c, 0-dim, when ∂²ℓ/∂g² is c times the identity, by the ability IsotropicCurvature; empty without it.
  std::optional<Tensor> isotropic_curvature() const;
  /// σ², 0-dim, such that β_eff = βσ² (§2), by the ability NoiseVariance; empty where β_eff is not defined.
  std::optional<Tensor> noise_variance() const;
  /// Whether nll() can be that of the observed values alone, by the ability MissingValues; false without it.
  bool admits_missing() const;
};

/// Sum of products over the data of weighted tangents: [T, B, n, data…] with weight broadcastable to [B, n, data…]
/// -> [B, T, T]: the curvature form of every likelihood whose H_ℓ is diagonal.
VARIFORM_API Tensor diagonal_curvature_form(const Tensor& t, const Tensor& weight);

/// The sum over an example's observed values: [..., B, n, data…] -> [..., B], where data… are `dimensions` sizes. What
/// the context's mask excludes counts as 0, also where it is NaN.
VARIFORM_API Tensor sum_data(const Tensor& values, int64_t dimensions, const Context& context);

/// Adds to sums [..., B] -> [..., B] a constant of every observed value of an example that has `size` values: size
/// times the constant, or as often as the context's mask says. In the sums' dtype.
VARIFORM_API Tensor with_constant(const Tensor& sums, double constant, int64_t size, const Context& context);

}  // namespace v2
}  // namespace variform
