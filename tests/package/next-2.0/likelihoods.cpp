// Two likelihoods: one number per data value with a diagonal curvature, and two numbers per value that interact.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Curvature;
using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

/// Counts: g is the logarithm of the rate.
class Poisson final : public variform::With<variform::Likelihood, variform::CurvatureForm, variform::NoiseVariance> {
 public:
  explicit Poisson(const variform::Build& build) : dimensions_(static_cast<int64_t>(build.data.size())) {}
  int64_t outputs() const override { return 1; }
  variform::Domain domain() const override { return variform::Domain::kCount; }
  std::optional<Tensor> noise_variance() const override { return {}; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    const Tensor values = x.unsqueeze(1);
    return variform::sum_data(g.exp() - values * g + at::lgamma(values + 1), dimensions_, context);
  }
  Tensor curvature_form(const Tensor&, const Tensor& g, const Tensor& t, Curvature, const variform::Context&) override {
    return variform::diagonal_curvature_form(t, g.to(t.scalar_type()).exp());
  }
  Tensor mean(const Tensor& g) override { return g.exp().squeeze(-dimensions_ - 1); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override { return at::poisson(mean(g), rng); }

 private:
  int64_t dimensions_;
};

/// A Gaussian with a mean and a log variance for every data value: g = [m, s], ℓ = ½(e^{−s}(x − m)² + s + log 2π).
/// With r = x − m: H_mm = e^{−s}, H_ms = r e^{−s}, H_ss = ½ r² e^{−s}; their expectations e^{−s}, 0, ½.
class Spread final : public variform::With<variform::Likelihood, variform::CurvatureForm> {
 public:
  explicit Spread(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())), size_(static_cast<double>(build.data_size())) {}
  int64_t outputs() const override { return 2; }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context&) override {
    const Tensor m = part(g, 0), s = part(g, 1);
    return 0.5 * (((-s).exp() * (x - m).square() + s).flatten(-dimensions_).sum(-1) + size_ * kLogTwoPi);
  }
  Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, Curvature curvature, const variform::Context&) override {
    const Tensor h = g.to(t.scalar_type()), precision = (-part(h, 1)).exp();
    const Tensor r = x.to(t.scalar_type()) - part(h, 0);
    const Tensor tm = t.select(2, 0).flatten(2), ts = t.select(2, 1).flatten(2);  // [T, B, P]
    const auto pair = [](const Tensor& a, const Tensor& b, const Tensor& weight) {
      return at::einsum("tbp,sbp,bp->bts", {a, b, weight.flatten(1)});
    };
    if (curvature == Curvature::kFisher)
      return pair(tm, tm, precision) + pair(ts, ts, at::full_like(precision, 0.5));
    const Tensor cross = pair(tm, ts, r * precision);
    return pair(tm, tm, precision) + cross + cross.transpose(1, 2) + pair(ts, ts, 0.5 * r.square() * precision);
  }
  Tensor mean(const Tensor& g) override { return part(g, 0); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Tensor m = part(g, 0);
    return m + (0.5 * part(g, 1)).exp() * at::randn(m.sizes(), rng, m.options());
  }

 private:
  Tensor part(const Tensor& g, int64_t which) const { return g.select(-dimensions_ - 1, which); }
  int64_t dimensions_;
  double size_;  // P
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Poisson>("source-poisson", "Counts, with the logarithm of their rate.", "theory §3"),
                    variform::component<Spread>("source-spread", "Gaussian noise with a variance for every data value.", "Nix and Weigend 1994"))
