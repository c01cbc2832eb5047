// Decoder `rotated`: another decoder behind a rotation of its latents (§7).

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

/// g(z) = of(R z), R a rotation by `angle` of latents 1 and 2, 3 and 4, …: the model with the same marginal p(x) under
/// an isotropic Gaussian prior, whose optimal posterior is the other's turned back.
class Rotated final : public variform::With<variform::Decoder, variform::Pushforward,
                                            variform::PiecewiseLinear, variform::RowsIndependent> {
 public:
  explicit Rotated(const variform::Build& build)
      : of_(register_module("of", build.component<variform::Decoder>("of"))) {
    const double angle = build.number("angle") * std::numbers::pi / 180;
    Tensor r = at::eye(build.latent, at::kDouble);
    for (int64_t i = 0; i + 1 < build.latent; i += 2) {
      r[i][i] = r[i + 1][i + 1] = std::cos(angle);
      r[i][i + 1] = -std::sin(angle);
      r[i + 1][i] = std::sin(angle);
    }
    transposed_ = r.t().contiguous().to(build.options);
  }
  Tensor decode(const Tensor& z, const variform::Context& context) override {
    return of_->decode(z.matmul(transposed_), context);
  }
  variform::Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context& context) override {
    return of_->pushforward(z.matmul(transposed_), v.matmul(transposed_), context);
  }
  variform::PushforwardTier pushforward_tier() const override { return of_->pushforward_tier(); }
  bool rows_independent() const override { return of_->rows_independent(); }
  bool piecewise_linear() const override { return of_->piecewise_linear(); }

 private:
  std::shared_ptr<variform::Decoder> of_;
  Tensor transposed_;  // Rᵀ: from the config, not state
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Rotated>(
    "rotated", "Another decoder behind a rotation of its latents.",
    "Kumar and Poole, On Implicit Regularization in β-VAEs, ICML 2020, section 2; theory §7",
    {variform::component_parameter("of", variform::Kind::kDecoder).doc("The decoder that is rotated."),
     variform::number("angle", 45.0)
         .at_least(-360)
         .at_most(360)
         .in("degrees")
         .doc("Rotation of latents 1 and 2, 3 and 4, …")}))
