// The second-order β-VAE of §3: the expectation over q replaced by its Taylor expansion about q's mean.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include "hessian.h"

namespace {

using variform::Tensor;

/// L_Taylor = F(h) + ½ tr(∇²F Σ) + β KL(q ‖ p), F(z) = ℓ(x, g(z)), h and Σ the posterior's mean and covariance (§3). No
/// draws, unless KL needs them. `form = "jacobian"` takes JᵀH_ℓJ for ∇²F (Gauss–Newton: all of it almost everywhere
/// when the decoder is piecewise linear); "hessian" differentiates F twice, d times the work, for checking.
class Taylor final : public variform::With<variform::Objective, variform::Weighted, variform::UsesTangents> {
 public:
  explicit Taylor(const variform::Build& build)
      : beta_(build.schedule("beta")),
        final_beta_(build.final_value("beta")),
        full_(build.text("form") == "hessian"),
        curvature_(variform::curvature_named(build.text("curvature"))) {
    if (full_ && curvature_ == variform::Curvature::kFisher)
      throw variform::Error(
          "form = \"hessian\" differentiates the likelihood itself and has no Fisher information; use form = "
          "\"jacobian\" or curvature = \"hessian\"");
  }

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const auto posterior = model.posterior(batch.x, batch.context);
    const std::optional<variform::Covariance> covariance = posterior->covariance();
    if (!covariance)
      throw variform::Unsupported(
          "this objective needs the posterior's mean and covariance (theory §3), but family " +
          model.label(variform::Kind::kFamily) + " has none; use a family with two moments");
    const Tensor h = posterior->location();
    const auto [nll, hessian] = full_ ? by_hessian(model, batch, h) : by_jacobian(model, batch, h);
    const Tensor trace = 0.5 * covariance->to(at::kDouble).trace(hessian);
    variform::Draw draw;
    if (!model.has_closed_kl(*posterior, batch.context)) draw = posterior->rsample(1, model.rng);
    const Tensor kl = model.kl(*posterior, draw, batch.context);
    return {nll + trace + beta_ * kl, {{"nll", nll}, {"trace", trace}, {"kl", kl}}};
  }
  Tensor beta() const override { return beta_; }
  double final_beta() const override { return final_beta_; }
  bool uses_tangents() const override { return !full_; }

 private:
  struct Expansion {
    Tensor nll, hessian;  // F(h) [B], ∇²F [B, d, d] float64
  };

  Expansion by_jacobian(variform::Model& model, const variform::Batch& batch, const Tensor& h) const {
    const variform::Linearization local =
        model.latent_hessian(batch.x, h, model.unit_tangents(h.size(0)), batch.context, curvature_);
    return {model.nll(batch.x, local.output, batch.context), local.hessian};
  }

  static Expansion by_hessian(variform::Model& model, const variform::Batch& batch, const Tensor& h) {
    const auto [nll, hessian] = variform::objectives::value_and_hessian(h, [&](const Tensor& z) {
      return model.nll(batch.x, model.decode(z, batch.context), batch.context);
    });
    return {nll, hessian};
  }

  Tensor beta_;
  double final_beta_;
  bool full_;
  variform::Curvature curvature_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Taylor>(
    "taylor", "Second-order β-VAE: the expectation over the posterior by its Taylor expansion.",
    "Kumar and Poole, On Implicit Regularization in β-VAEs, ICML 2020, section 3; theory §3",
    {variform::number("beta", 1.0).at_least(0).schedulable().doc("Weight of the KL divergence."),
     variform::text("form", "jacobian")
         .one_of({"jacobian", "hessian"})
         .doc("Second derivative: JᵀH_ℓJ from the decoder's Jacobian, or all of ∇²F by differentiating "
              "twice."),
     variform::text("curvature", "hessian")
         .one_of({"hessian", "fisher"})
         .doc("Second derivative of the likelihood in the Jacobian form: exact (\"hessian\") or its "
              "expectation under the model (\"fisher\").")}))
