// Logistic likelihood: Gaussian near its centre, linear in its tails.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

/// ℓ(x, g) = −Σ [log S(u) + log S(−u)] + P log s, u = (x − g)/s, S the sigmoid. ∂²ℓ/∂g² = 2 S(u)S(−u)/s² > 0; Fisher
/// information 1/(3s²) (§3).
class Logistic final : public variform::With<variform::Likelihood, variform::CurvatureForm,
                                             variform::MissingValues, variform::NamesOutputs> {
 public:
  explicit Logistic(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())),
        size_(build.data_size()),
        scale_(build.number("scale")) {}

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return 1; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override { return {{"location", 1}}; }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    const Tensor u = (x.unsqueeze(1) - g) / scale_;
    const Tensor sums = variform::sum_data(at::log_sigmoid(u) + at::log_sigmoid(-u), dimensions_, context);
    return variform::with_constant(-sums, std::log(scale_), size_, context);
  }
  Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, variform::Curvature curvature,
                        const variform::Context&) override {
    const double square = scale_ * scale_;
    if (curvature == variform::Curvature::kFisher)
      return variform::diagonal_curvature_form(t, at::full({}, 1 / (3 * square), t.options()));
    const Tensor u = (x.unsqueeze(1) - g).to(t.scalar_type()) / scale_;
    return variform::diagonal_curvature_form(t, u.sigmoid() * (-u).sigmoid() * (2 / square));
  }
  Tensor mean(const Tensor& g) override { return g.squeeze(-dimensions_ - 1); }
  Tensor sample(const Tensor& g,
                variform::Generator& rng) override {  // log ratio of two exponential variables
    const Tensor location = mean(g);
    const auto exponential = [&] {
      return at::empty(location.sizes(), location.options()).exponential_(1, rng);
    };
    const Tensor above = exponential();
    return location + scale_ * (above.log() - exponential().log());
  }

 private:
  int64_t dimensions_;  // of an example
  int64_t size_;
  double scale_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Logistic>(
    "logistic", "Logistic observation noise with one scale for all data values.", "theory §3",
    {variform::number("scale", 1.0)
         .above(0)
         .in("data units")
         .doc("Scale s of the noise; its variance is (π²/3) s².")}))
