// Gaussian likelihood: one variance for all data values or one for each, fixed, learned, or the optimum of every batch.

#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>
#include <optional>

namespace {

using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);
constexpr double kFloor = 1e-4;

/// ℓ(x, g) = Σ (x − g)²/(2σ²) + ½ log(2πσ²), g the mean; ∂²ℓ/∂g² = 1/σ² > 0, its Fisher information too (§3).
/// A learned σ² stops at kFloor times its start: the σ² of a data value that never varies would otherwise go to 0, and
/// 1/σ² to infinity, which ruins the training. β_eff = βσ² (§2), if one σ² holds for all values.
/// State: `log_variance`, a parameter when learned (one number, or one per data value; β_eff then is no longer free), a
/// buffer with `optimal`, else none. `optimal` is the σ-VAE of Rybkin et al. 2021: in training σ² is the mean square
/// error of the batch, which minimises ℓ. The buffer follows it (a running mean over about a hundred steps), and is
/// used as σ² everywhere else.
class Gaussian final
    : public variform::With<variform::Likelihood, variform::CurvatureForm, variform::IsotropicCurvature,
                            variform::NoiseVariance, variform::MissingValues, variform::NamesOutputs> {
 public:
  explicit Gaussian(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())),
        size_(static_cast<double>(build.data_size())),
        per_value_(build.flag("per_value")),
        optimal_(build.flag("optimal")) {
    if (optimal_ && (build.flag("learned") || per_value_))
      throw variform::Error(
          "'optimal' computes one variance for all values; leave 'learned' and 'per_value' out");
    const variform::Shape shape = per_value_ ? build.data : variform::Shape{};
    if (build.flag("learned")) least_ = std::log(kFloor * build.number("variance"));
    const Tensor start = at::full(shape, std::log(build.number("variance")), build.options);
    if (optimal_) log_variance_ = register_buffer("log_variance", start);
    else if (build.flag("learned")) log_variance_ = register_parameter("log_variance", start);
    else log_variance_ = start;
    if (!optimal_ && !build.flag("learned")) constant_ = scale_of(start);
  }

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return 1; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override { return {{"mean", 1}}; }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  std::optional<Tensor> noise_variance() const override {
    if (per_value_) return {};
    return log_variance().detach().exp();
  }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    Tensor target = x.unsqueeze(1);
    if (x.requires_grad())
      target = target.expand_as(g);  // mse_loss resizes a gradient of a smaller shape, and warns
    const Tensor squares =
        at::mse_loss(g, target, at::Reduction::None);  // one operation, one for its gradient
    if (context.mask.defined()) return nll_of_observed(squares, context);
    const Scale scale =
        constant_ ? *constant_
                  : scale_of(optimal_ && is_training() ? optimum(squares.detach().mean()) : log_variance());
    const auto sum = [&](const Tensor& of) { return of.flatten(-dimensions_ - 1).sum(-1); };
    return (per_value_ ? sum(squares * scale.half_precision) : sum(squares) * scale.half_precision) +
           scale.constant;
  }
  Tensor curvature_form(const Tensor&, const Tensor&, const Tensor& t, variform::Curvature,
                        const variform::Context&) override {
    return variform::diagonal_curvature_form(t, (-log_variance().to(t.scalar_type())).exp());
  }
  std::optional<Tensor> isotropic_curvature() const override {
    if (per_value_) return {};
    return (-log_variance()).exp();
  }
  Tensor mean(const Tensor& g) override { return g.squeeze(-dimensions_ - 1); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Tensor location = mean(g);
    return location + (0.5 * log_variance()).exp() * at::randn(location.sizes(), rng, location.options());
  }

 private:
  // ℓ = ½/σ² times the squares, [] or [data…], plus Σ ½ log 2πσ² over the data values, [].
  struct Scale {
    Tensor half_precision, constant;
  };
  Scale scale_of(const Tensor& log_variance) const {
    const Tensor constant = 0.5 * (log_variance + kLogTwoPi);
    return {0.5 * (-log_variance).exp(), per_value_ ? constant.sum() : size_ * constant};
  }
  Tensor log_variance() const { return least_ ? log_variance_.clamp_min(*least_) : log_variance_; }
  // The same where the mask counts: every value brings its own constant.
  Tensor nll_of_observed(const Tensor& squares, const variform::Context& context) {
    Tensor log_variance = this->log_variance();
    if (optimal_ && is_training()) {
      const at::NoGradGuard no_grad;
      const Tensor draws =
          at::full({}, squares.numel() / std::max<int64_t>(1, context.mask.numel()), squares.options());
      log_variance = optimum(variform::sum_data(squares, dimensions_, context).sum() /
                             (draws * context.mask.sum()).clamp_min(1));
    }
    return 0.5 * variform::sum_data(squares * (-log_variance).exp() + (log_variance + kLogTwoPi), dimensions_,
                                    context);
  }
  // Returns the log σ² that minimises ℓ, given the mean square. It needs no gradient, since ℓ's derivative is zero there.
  Tensor optimum(const Tensor& mean_square) {
    const at::NoGradGuard no_grad;
    const Tensor found = mean_square.detach().clamp_min(1e-12).log();
    log_variance_.lerp_(found, 0.01);
    return found;
  }

  int64_t dimensions_;  // of an example
  double size_;         // P
  bool per_value_, optimal_;
  Tensor log_variance_;            // [] or [data…]
  std::optional<double> least_;    // of a learned log σ²
  std::optional<Scale> constant_;  // of a variance that nothing changes
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Gaussian>(
    "gaussian", "Gaussian observation noise: its variance fixed, learned, or the optimum of every batch.",
    "Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014; Rybkin et al., σ-VAE, ICML 2021 "
    "(optimal); theory §2, §3, §10",
    {variform::number("variance", 1.0)
         .above(0)
         .in("squared data units")
         .doc("Variance σ² of every data value, or where its training starts; β_eff is β times this."),
     variform::flag("learned", false)
         .doc(
             "Whether the variance is trained with the rest; it stops at 1e-4 times `variance`, also where a "
             "data value never varies."),
     variform::flag("per_value", false)
         .doc("One variance per data value instead of one for all; β_eff is then not defined."),
     variform::flag("optimal", false)
         .doc("Uses each batch's optimal variance in training and its running mean otherwise.")}))
