// Categorical likelihood on logits, for data whose values are classes 0 … n − 1.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

/// ℓ(x, g) = −Σ log softmax(g)_x over n classes per data value; ∂²ℓ/∂g² = diag p − ppᵀ ⪰ 0, singular along equal
/// changes of all logits, which is its Fisher information too (§3).
class Categorical final : public variform::With<variform::Likelihood, variform::CurvatureForm,
                                                variform::MissingValues, variform::NamesOutputs> {
 public:
  explicit Categorical(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())), classes_(build.integer("classes")) {}

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return classes_; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override {
    return {{"logits of the classes", classes_}};
  }
  variform::Domain domain() const override { return variform::Domain::kCategorical; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    const int64_t axis = -dimensions_ - 1;
    const Tensor log_p = g.log_softmax(g.dim() + axis);
    variform::Shape shape = g.sizes().vec();
    shape[static_cast<size_t>(g.dim() + axis)] = 1;
    const Tensor index = x.unsqueeze(1).to(at::kLong).expand(shape);
    return variform::sum_data(-log_p.gather(g.dim() + axis, index), dimensions_, context);
  }
  Tensor curvature_form(const Tensor&, const Tensor& g, const Tensor& t, variform::Curvature,
                        const variform::Context&) override {
    // tᵀ(diag p − ppᵀ)t = Σ p (t − pᵀt)²: the covariance of t under p, which cannot turn negative by rounding.
    const Tensor p = g.to(t.scalar_type()).softmax(1);  // [B, n, data…]
    const Tensor centred = t - (p * t).sum(2, true);    // [T, B, n, data…]
    return variform::diagonal_curvature_form(centred, p);
  }
  /// Returns the expected class number, which means little for classes without an order; see sample.
  Tensor mean(const Tensor& g) override {
    const int64_t axis = g.dim() - dimensions_ - 1;
    variform::Shape shape(static_cast<size_t>(g.dim()), 1);
    shape[static_cast<size_t>(axis)] = classes_;
    return (g.softmax(axis) * at::arange(classes_, g.options()).reshape(shape)).sum(axis);
  }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {  // the largest logit with Gumbel noise
    const Tensor noise = -at::empty(g.sizes(), g.options().requires_grad(false)).exponential_(1, rng).log();
    return (g + noise).argmax(g.dim() - dimensions_ - 1).to(g.scalar_type());
  }

 private:
  int64_t dimensions_;  // of an example
  int64_t classes_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Categorical>(
    "categorical", "One of n classes for each data value, from logits.", "theory §3",
    {variform::integer("classes", 2).at_least(2).doc("Number n of classes; data values are 0 … n − 1.")}))
