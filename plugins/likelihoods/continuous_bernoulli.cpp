// Continuous Bernoulli likelihood: the normalised density on [0, 1] that the Bernoulli loss on grey values is not.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

// Below this |g| Taylor series replace the closed forms, which are 0/0 at g = 0.
constexpr double kNear = 0.05;

// The density is C e^{gx} with C = g/(e^g − 1). log C = log(g/(2 sinh(g/2))) − g/2,
// and its first part is even in g: −g²/24 + g⁴/2880 − g⁶/181440.
Tensor log_constant(const Tensor& g) {
  const Tensor near = g.abs() < kNear;
  const Tensor safe = at::where(near, at::ones_like(g), g.abs());
  const Tensor square = g.square();
  const Tensor series = square * (-1.0 / 24 + square * (1.0 / 2880 - square / 181440));
  // log(|g|/(2 sinh(|g|/2))) = log|g| − |g|/2 − log(1 − e^{−|g|})
  const Tensor closed = safe.log() - 0.5 * safe - at::log1p(-(-safe).exp());
  return at::where(near, series, closed) - 0.5 * g;
}

// 1/g² − 1/(4 sinh²(g/2)), 1/12 at 0: the variance of x.
Tensor variance_of(const Tensor& g) {
  const Tensor near = g.abs() < kNear;
  const Tensor safe = at::where(near, at::ones_like(g), g.abs());
  const Tensor square = g.square();
  const Tensor series = 1.0 / 12 - square * (1.0 / 240 - square * (1.0 / 6048 - square / 172800));
  const Tensor decay = (-safe).exp();  // 1/(4 sinh²(g/2)) = e^{−g}/(1 − e^{−g})²
  const Tensor closed = safe.square().reciprocal() - decay / (1 - decay).square();
  return at::where(near, series, closed);
}

/// ℓ(x, g) = −Σ [g x + log(g/(e^g − 1))], x in [0, 1], g the logit. ∂²ℓ/∂g² = 1/g² − 1/(4 sinh²(g/2)) > 0, the variance
/// of x, which is its Fisher information too (§3).
class ContinuousBernoulli final : public variform::With<variform::Likelihood, variform::CurvatureForm,
                                                        variform::MissingValues, variform::NamesOutputs> {
 public:
  explicit ContinuousBernoulli(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())) {}

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return 1; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override {
    return {{"natural parameter (logit of λ)", 1}};
  }
  variform::Domain domain() const override { return variform::Domain::kUnitInterval; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    return -variform::sum_data(x.unsqueeze(1) * g + log_constant(g), dimensions_, context);
  }
  Tensor curvature_form(const Tensor&, const Tensor& g, const Tensor& t, variform::Curvature,
                        const variform::Context&) override {
    return variform::diagonal_curvature_form(t, variance_of(g.to(t.scalar_type())));
  }
  /// 1/(1 − e^{−g}) − 1/g, ½ at 0.
  Tensor mean(const Tensor& g) override {
    const Tensor logits = g.squeeze(-dimensions_ - 1), near = logits.abs() < kNear;
    const Tensor safe = at::where(near, at::ones_like(logits), logits);
    const Tensor square = logits.square();
    const Tensor series = 0.5 + logits * (1.0 / 12 - square * (1.0 / 720 - square / 30240));
    return at::where(near, series, -at::expm1(-safe).reciprocal() - safe.reciprocal());
  }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {  // by the inverse distribution function
    const Tensor logits = g.squeeze(-dimensions_ - 1), near = logits.abs() < 1e-6;
    const Tensor safe = at::where(near, at::ones_like(logits), logits.abs());
    const Tensor u = at::rand(logits.sizes(), rng, logits.options().requires_grad(false));
    // For |g|: x = 1 + log(u + (1 − u) e^{−|g|})/|g|; mirrored for negative g.
    const Tensor x = 1 + (u + (1 - u) * (-safe).exp()).log() / safe;
    return at::where(near, u, at::where(logits < 0, 1 - x, x)).clamp(0, 1);
  }

 private:
  int64_t dimensions_;  // of an example
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<ContinuousBernoulli>(
    "continuous-bernoulli", "Normalised density on [0, 1] whose exponent is that of the Bernoulli loss.",
    "Loaiza-Ganem and Cunningham, The Continuous Bernoulli, NeurIPS 2019; theory §3"))
