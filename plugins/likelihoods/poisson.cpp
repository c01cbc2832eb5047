// Poisson likelihood on log-rates, for counts.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

/// ℓ(x, g) = Σ [e^g − x g + log x!], g the log-rate; ∂²ℓ/∂g² = e^g > 0, which is its Fisher information too (§3).
class Poisson final : public variform::With<variform::Likelihood, variform::CurvatureForm,
                                            variform::MissingValues, variform::NamesOutputs> {
 public:
  explicit Poisson(const variform::Build& build) : dimensions_(static_cast<int64_t>(build.data.size())) {}

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return 1; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override { return {{"log-rate", 1}}; }
  variform::Domain domain() const override { return variform::Domain::kCount; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    const Tensor counts = x.unsqueeze(1);
    return variform::sum_data(g.exp() - counts * g + (counts + 1).lgamma(), dimensions_, context);
  }
  Tensor curvature_form(const Tensor&, const Tensor& g, const Tensor& t, variform::Curvature,
                        const variform::Context&) override {
    return variform::diagonal_curvature_form(t, g.to(t.scalar_type()).exp());
  }
  Tensor mean(const Tensor& g) override { return g.squeeze(-dimensions_ - 1).exp(); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override { return at::poisson(mean(g), rng); }

 private:
  int64_t dimensions_;  // of an example
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Poisson>("poisson", "Poisson counts from log-rates.", "theory §3"))
