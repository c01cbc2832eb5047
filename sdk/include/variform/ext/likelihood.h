#pragma once
// Abilities of likelihoods. Unless a function says otherwise, the rules of variform/likelihood.h hold.

#include <variform/likelihood.h>

namespace variform {
inline namespace v2 {

/// A likelihood with a second derivative in g. Needed by: H, and so GRAE, L_Taylor, the geometry and covariance
/// metrics.
class CurvatureForm {
 public:
  static constexpr std::string_view kId = "variform.curvature-form/1";  ///< its name
  /// tᵀ H_ℓ t (§3): x [B, data…], g [B, n, data…], t [T, B, n, data…] (float64, whatever x and g are) -> [B, T, T],
  /// symmetric, in t's dtype, differentiable in g and t. Once per step in objectives that use H, and per batch in
  /// evaluations. Throws Unsupported when the asked form does not exist.
  virtual Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, Curvature curvature,
                                const Context& context) = 0;

 protected:
  ~CurvatureForm() = default;
};

/// A likelihood whose ∂²ℓ/∂g² is a multiple of the identity, whatever x and g are: training then needs JᵀJ only.
class IsotropicCurvature {
 public:
  static constexpr std::string_view kId = "variform.isotropic-curvature/1";  ///< its name
  /// The factor c (a Gaussian of one variance: 1/σ²), 0-dim, differentiable: curvature_form() is c times the tangents'
  /// inner products. Empty where a parameter makes it depend on the value. In training steps, but not under mixed
  /// precision, and in evaluations; never with a mask.
  virtual std::optional<Tensor> isotropic_curvature() const = 0;

 protected:
  ~IsotropicCurvature() = default;
};

/// A likelihood of data of which some values are missing: nll() is then −log p of the observed values alone, the others
/// integrated out, and 0 where none was observed. Without it, data with missing values are refused. Where values are
/// independent given g, sum_data() and with_constant() are all that it takes. x holds 0 where a value is missing
/// (Context).
class MissingValues {
 public:
  static constexpr std::string_view kId = "variform.missing-values/1";  ///< its name
  /// True when nll() and all other functions honour Context::mask. May depend on parameters, never on data. Asked when
  /// the model is composed.
  virtual bool admits_missing() const = 0;

 protected:
  ~MissingValues() = default;
};

/// A likelihood for which β_eff = βσ² is defined (§2).
class NoiseVariance {
 public:
  static constexpr std::string_view kId = "variform.noise-variance/1";  ///< its name
  /// σ², 0-dim, without autograd: the variance of a Gaussian, 1 for Bernoulli; empty where a parameter leaves it
  /// undefined. Read on the host at each line of the log and once in an evaluation, never within a recorded step.
  virtual std::optional<Tensor> noise_variance() const = 0;

 protected:
  ~NoiseVariance() = default;
};

}  // namespace v2
}  // namespace variform
