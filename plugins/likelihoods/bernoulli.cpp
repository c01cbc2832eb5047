// Bernoulli likelihood on logits, for binary data and for grey values taken as probabilities.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

/// ℓ(x, g) = −Σ [x log S(g) + (1 − x) log(1 − S(g))], g the logits, x in [0, 1]; ∂²ℓ/∂g² = S(g)(1 − S(g)) > 0,
/// which is its Fisher information too (§3). For x strictly between 0 and 1 it is the expected code length of a bit
/// with that probability, not a normalised density. β_eff = β (§2).
class Bernoulli final
    : public variform::With<variform::Likelihood, variform::CurvatureForm, variform::MissingValues,
                            variform::NoiseVariance, variform::NamesOutputs> {
 public:
  explicit Bernoulli(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())), one_(at::ones({}, build.options)) {}

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return 1; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override {
    return {{"logit of the probability", 1}};
  }
  variform::Domain domain() const override { return variform::Domain::kUnitInterval; }
  std::optional<Tensor> noise_variance() const override { return one_; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    // (1 − x) g − log S(g): stable for any g, as log S is.
    return variform::sum_data((1 - x.unsqueeze(1)) * g - at::log_sigmoid(g), dimensions_, context);
  }
  Tensor curvature_form(const Tensor&, const Tensor& g, const Tensor& t, variform::Curvature,
                        const variform::Context&) override {
    const Tensor wide = g.to(t.scalar_type());
    return variform::diagonal_curvature_form(
        t, wide.sigmoid() * (-wide).sigmoid());  // no 1 − S: it would round to 0
  }
  Tensor mean(const Tensor& g) override { return g.squeeze(-dimensions_ - 1).sigmoid(); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override { return at::bernoulli(mean(g), rng); }

 private:
  int64_t dimensions_;  // of an example
  Tensor one_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Bernoulli>(
    "bernoulli", "Bernoulli observations from logits; grey values in [0, 1] are taken as probabilities.",
    "Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014, appendix C.1; theory §3"))
