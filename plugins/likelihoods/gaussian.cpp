// Gaussian likelihood with one variance for all data values, fixed or learned.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

/// ℓ(x, g) = ‖x − g‖²/(2σ²) + (P/2) log(2πσ²), g the mean; ∂²ℓ/∂g² = 1/σ², which is its Fisher information too (§3).
/// β_eff = βσ² (§2). With `learned` its state is one number, log σ²: β_eff then stops being a free knob.
class Gaussian final : public variform::Likelihood {
 public:
  explicit Gaussian(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())), size_(static_cast<double>(build.data_size())) {
    const Tensor start = at::full({}, std::log(build.number("variance")), build.options);
    if (build.flag("learned")) log_variance_ = register_parameter("log_variance", start);
    else log_variance_ = start;
  }

  std::optional<Tensor> reference_variance() const override { return log_variance_.detach().exp(); }
  Tensor nll(const Tensor& x, const Tensor& g) override {
    const Tensor squares = (g - x.unsqueeze(1)).square().flatten(-dimensions_ - 1).sum(-1);
    return 0.5 * (squares * (-log_variance_).exp() + size_ * (log_variance_ + kLogTwoPi));
  }
  Tensor gram(const Tensor&, const Tensor&, const Tensor& t, variform::Curvature) override {
    return variform::diagonal_gram(t, (-log_variance_.to(t.scalar_type())).exp());
  }
  Tensor mean(const Tensor& g) override { return g.squeeze(-dimensions_ - 1); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Tensor location = mean(g);
    return location + (0.5 * log_variance_).exp() * at::randn(location.sizes(), rng, location.options());
  }

 private:
  int64_t dimensions_;  // of a datum
  double size_;         // P
  Tensor log_variance_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Gaussian>(
    "gaussian", "Gaussian observation noise with one variance for all data values.",
    "Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014; theory §2, §3, §10",
    {variform::number("variance", 1.0)
         .above(0)
         .in("squared data units")
         .doc("Variance σ² of every data value, or where its training starts; β_eff is β times this."),
     variform::flag("learned", false).doc("Whether the variance is trained, as one number, with the rest.")}))
