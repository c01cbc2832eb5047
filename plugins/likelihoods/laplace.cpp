// Laplace likelihood: absolute errors. Its only useful curvature is the Fisher information.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

namespace {

using variform::Tensor;

/// ℓ(x, g) = Σ |x − g|/b + P log(2b), g the median. ∂²ℓ/∂g² is 0 almost everywhere, which says nothing about a
/// neighbourhood, so that the Hessian is refused. The Fisher information is 1/b² (§3).
class Laplace final : public variform::With<variform::Likelihood, variform::CurvatureForm,
                                            variform::MissingValues, variform::NamesOutputs> {
 public:
  explicit Laplace(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())),
        size_(build.data_size()),
        scale_(build.number("scale")) {}

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return 1; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override { return {{"location", 1}}; }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    const Tensor sums = variform::sum_data((g - x.unsqueeze(1)).abs(), dimensions_, context) / scale_;
    return variform::with_constant(sums, std::log(2 * scale_), size_, context);
  }
  Tensor curvature_form(const Tensor&, const Tensor&, const Tensor& t, variform::Curvature curvature,
                        const variform::Context&) override {
    if (curvature == variform::Curvature::kHessian)
      throw variform::Unsupported(
          "the second derivative of the Laplace likelihood is 0 almost everywhere and says nothing about its "
          "shape; use curvature = \"fisher\"");
    return variform::diagonal_curvature_form(t, at::full({}, 1 / (scale_ * scale_), t.options()));
  }
  Tensor mean(const Tensor& g) override { return g.squeeze(-dimensions_ - 1); }
  Tensor sample(const Tensor& g,
                variform::Generator& rng) override {  // difference of two exponential variables
    const Tensor location = mean(g);
    const auto exponential = [&] {
      return at::empty(location.sizes(), location.options()).exponential_(1, rng);
    };
    const Tensor up = exponential();
    return location + scale_ * (up - exponential());
  }

 private:
  int64_t dimensions_;  // of an example
  int64_t size_;
  double scale_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Laplace>("laplace",
                                                 "Laplace observation noise: the sum of absolute errors.",
                                                 "theory §3",
                                                 {variform::number("scale", 1.0)
                                                      .above(0)
                                                      .in("data units")
                                                      .doc("Scale b of the noise; its variance is 2b².")}))
