// Mean-field Laplace posterior: sharper than a Gaussian at its centre, heavier in its tails.

#include <variform/location_scale.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

namespace {

using variform::Tensor;

/// f(e) = ½ exp(−|e|); entropy 1 + log 2, variance 2.
class LaplacePosterior final : public variform::LocationScalePosterior {
 public:
  using LocationScalePosterior::LocationScalePosterior;

 protected:
  Tensor standard_sample(at::IntArrayRef shape, const Tensor& like, variform::Generator& rng) const override {
    // The difference of two exponential variables.
    variform::Shape two(shape.begin(), shape.end());
    two.insert(two.begin(), 2);
    const Tensor e = at::empty(two, like.options().requires_grad(false)).exponential_(1, rng);
    return e[1] - e[0];
  }
  Tensor standard_log_density(const Tensor& e) const override { return -e.abs() - std::log(2.0); }
  double standard_entropy() const override { return 1 + std::log(2.0); }
  std::optional<double> standard_variance() const override { return 2; }
};

/// q(z|x) = ∏_i exp(−|z_i − m_i|/b_i)/(2b_i). The encoder outputs m [d], then log(b/scale)² [d].
/// At equal variance a coordinate's entropy is ½ log π − ½ = 0.0724 nats below a Gaussian's.
class Laplace final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Laplace(const variform::Build& build) : scale_(build.number("scale")) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"location", d}, {"2 log(scale of the latent / scale)", d}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const std::vector<Tensor> parts = params.chunk(2, -1);
    return std::make_unique<LaplacePosterior>(parts[0], scale_ * (0.5 * parts[1]).exp());
  }

 private:
  double scale_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Laplace>(
    "laplace", "Mean-field posterior of Laplace distributions.",
    "Kotz, Kozubowski and Podgórski, The Laplace Distribution and Generalizations, 2001; theory §7",
    {variform::number("scale", 0.7071067811865476)
         .above(0)
         .in("latent units")
         .doc("Scale b of every latent for an encoder output of zero; the variance is 2 scale².")}))
