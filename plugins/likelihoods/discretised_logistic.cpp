// Discretised logistic likelihood: the probability of a bin, for data on a grid such as 256 grey values.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

namespace {

using variform::Tensor;

/// Data in [0, 1] on `levels` equally spaced values, bins of width δ = 1/(levels − 1) about them, the end bins open.
/// ℓ(x, g) = −Σ log[S(a) − S(−b)], a = (x + δ/2 − g)/s, b = −(x − δ/2 − g)/s, computed as
/// log S(a) + log S(b) + log(1 − e^{−δ/s}); in the end bins log S(a) or log S(b) alone. ∂²ℓ/∂g² = [S(a)S(−a) +
/// S(b)S(−b)]/s², in the end bins one of the two (§3). There is no closed Fisher information.
class DiscretisedLogistic final : public variform::Likelihood {
 public:
  explicit DiscretisedLogistic(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())),
        scale_(build.number("scale")),
        levels_(static_cast<double>(build.integer("levels"))),
        width_(1 / (levels_ - 1)) {}

  variform::Domain domain() const override { return variform::Domain::kUnitInterval; }
  Tensor nll(const Tensor& x, const Tensor& g) override {
    const auto [a, b, first, last] = ends(x.unsqueeze(1), g);
    const Tensor below = at::where(last, at::zeros_like(a), at::log_sigmoid(a));
    const Tensor above = at::where(first, at::zeros_like(b), at::log_sigmoid(b));
    const double inside = std::log(-std::expm1(-width_ / scale_));
    const Tensor constant =
        at::where(at::logical_or(first, last), at::zeros_like(a), at::full_like(a, inside));
    return -(below + above + constant).flatten(-dimensions_ - 1).sum(-1);
  }
  Tensor gram(const Tensor& x, const Tensor& g, const Tensor& t, variform::Curvature curvature) override {
    if (curvature == variform::Curvature::kFisher)
      throw variform::Unsupported(
          "the discretised logistic likelihood has no closed Fisher information; use curvature = "
          "\"hessian\", which is "
          "never negative");
    const auto [a, b, first, last] = ends(x.unsqueeze(1).to(t.scalar_type()), g.to(t.scalar_type()));
    const auto slope = [](const Tensor& y) { return y.sigmoid() * (-y).sigmoid(); };
    const Tensor none = at::zeros_like(a);
    return variform::diagonal_gram(
        t, (at::where(last, none, slope(a)) + at::where(first, none, slope(b))) / (scale_ * scale_));
  }
  /// The sum of the tail probabilities, one bin at a time.
  Tensor mean(const Tensor& g) override {
    const Tensor location = g.squeeze(-dimensions_ - 1);
    Tensor sum = at::zeros_like(location);
    for (double edge = 0.5 * width_; edge < 1; edge += width_)
      sum = sum + ((location - edge) / scale_).sigmoid();
    return width_ * sum;
  }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Tensor location = g.squeeze(-dimensions_ - 1);
    const auto exponential = [&] {
      return at::empty(location.sizes(), location.options()).exponential_(1, rng);
    };
    const Tensor above = exponential();
    const Tensor x = location + scale_ * (above.log() - exponential().log());
    return (x / width_).round().clamp(0, levels_ - 1) * width_;
  }

 private:
  struct Ends {
    Tensor a, b, first, last;  // (upper end − g)/s, (g − lower end)/s; the lowest bin, the highest
  };
  Ends ends(const Tensor& x, const Tensor& g) const {
    const Tensor whole = x.expand_as(g);
    return {(whole + 0.5 * width_ - g) / scale_, (g - whole + 0.5 * width_) / scale_,
            whole<0.5 * width_, whole> 1 - 0.5 * width_};
  }

  int64_t dimensions_;  // of a datum
  double scale_, levels_, width_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<DiscretisedLogistic>(
    "discretised-logistic", "Probability of a grey value's bin under a logistic distribution.",
    "Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow, NeurIPS 2016, appendix; "
    "theory §3",
    {variform::number("scale", 0.1).above(0).in("data units").doc("Scale s of the logistic distribution."),
     variform::integer("levels", 256)
         .at_least(2)
         .doc("Number of values that the data take between 0 and 1, ends included.")}))
