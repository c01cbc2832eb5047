// Mean-field logistic posterior.

#include <variform/location_scale.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

/// f(e) = S(e) S(−e), S the sigmoid; entropy 2, variance π²/3.
class LogisticPosterior final : public variform::LocationScalePosterior {
 public:
  using LocationScalePosterior::LocationScalePosterior;

 protected:
  Tensor standard_sample(at::IntArrayRef shape, const Tensor& like, variform::Generator& rng) const override {
    // log u − log(1 − u), from two exponential variables: no rounding of u to 0 or 1.
    variform::Shape two(shape.begin(), shape.end());
    two.insert(two.begin(), 2);
    const Tensor e = at::empty(two, like.options().requires_grad(false)).exponential_(1, rng);
    return e[1].log() - e[0].log();
  }
  Tensor standard_log_density(const Tensor& e) const override {
    return at::log_sigmoid(e) + at::log_sigmoid(-e);
  }
  double standard_entropy() const override { return 2; }
  std::optional<double> standard_variance() const override { return std::numbers::pi * std::numbers::pi / 3; }
};

/// q(z|x) = ∏_i of logistic distributions about m_i with scale s_i. The encoder outputs m [d], then log(s/scale)² [d].
class Logistic final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Logistic(const variform::Build& build) : scale_(build.number("scale")) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"location", d}, {"2 log(scale of the latent / scale)", d}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const std::vector<Tensor> parts = params.chunk(2, -1);
    return std::make_unique<LogisticPosterior>(parts[0], scale_ * (0.5 * parts[1]).exp());
  }

 private:
  double scale_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Logistic>(
    "logistic", "Mean-field posterior of logistic distributions.",
    "Balakrishnan, Handbook of the Logistic Distribution, 1992; theory §7",
    {variform::number("scale", 0.55)
         .above(0)
         .in("latent units")
         .doc("Scale of every latent for an encoder output of zero; the variance is (π²/3) scale².")}))
