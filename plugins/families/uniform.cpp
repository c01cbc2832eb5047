// Mean-field uniform posterior inside a cube, for the uniform prior (§7).

#include <variform/location_scale.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

namespace {

using variform::Tensor;

/// f(e) = ½ on (−1, 1); entropy log 2, variance 1/3.
class UniformPosterior final : public variform::LocationScalePosterior {
 public:
  using LocationScalePosterior::LocationScalePosterior;

 protected:
  Tensor standard_sample(at::IntArrayRef shape, const Tensor& like, variform::Generator& rng) const override {
    return 2 * at::rand(shape, rng, like.options().requires_grad(false)) - 1;
  }
  Tensor standard_log_density(const Tensor& e) const override {
    // A draw's e comes back from z with rounding.
    const Tensor inside = e.abs() <= 1 + 1e-6;
    const Tensor density = at::full_like(e, -std::log(2.0));
    return at::where(inside, density, at::full_like(e, -std::numeric_limits<double>::infinity()));
  }
  double standard_entropy() const override { return std::log(2.0); }
  std::optional<double> standard_variance() const override { return 1.0 / 3; }
};

/// q(z|x) = ∏_i uniform on (c_i − w_i, c_i + w_i) inside (low, high). The encoder outputs a [d], then b [d]:
/// w = (high − low)/2 · S(b), S the sigmoid, and c = low + w + (high − low − 2w) S(a). Zeros give the middle half.
class Uniform final
    : public variform::With<variform::VariationalFamily, variform::BoundedSupport, variform::NamesOutputs> {
 public:
  explicit Uniform(const variform::Build& build) : low_(build.number("low")), high_(build.number("high")) {
    if (!(low_ < high_))
      throw variform::Error("'low' must be below 'high'; found " + std::to_string(low_) + " and " +
                            std::to_string(high_));
  }
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"logit of the centre's place", d}, {"logit of the width's share of the cube", d}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const std::vector<Tensor> parts = params.chunk(2, -1);
    const Tensor half = 0.5 * (high_ - low_) * parts[1].sigmoid();
    const Tensor centre = low_ + half + (high_ - low_ - 2 * half) * parts[0].sigmoid();
    return std::make_unique<UniformPosterior>(centre, half);
  }
  variform::Support support() const override { return {low_, high_}; }

 private:
  double low_, high_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Uniform>(
    "uniform", "Mean-field posterior of uniform distributions inside a cube.", "theory §7",
    {variform::number("low", -1.7320508075688772)
         .in("latent units")
         .doc("Lower end of the cube; by default that of prior `uniform`."),
     variform::number("high", 1.7320508075688772)
         .in("latent units")
         .doc("Upper end of the cube; by default that of prior `uniform`.")}))
