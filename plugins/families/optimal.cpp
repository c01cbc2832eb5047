// The posterior of a GRAE model: a mean from the encoder, and §4's optimal covariance from the decoder's curvature.

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

struct Settings {
  variform::Model* model;
  variform::Structure structure;
  variform::Curvature curvature;
  double beta;  ///< 0: the objective's
};

double beta_of(const Settings& settings) {
  if (settings.beta > 0) return settings.beta;
  const std::optional<double> final_beta = settings.model->objective().final_beta();
  if (!final_beta || !(*final_beta > 0))
    throw variform::Error(
        "the optimal covariance needs a positive β, but the objective " +
        (final_beta ? "ends with β = " + std::to_string(*final_beta) : std::string("has none")) +
        "; set the family's parameter 'beta'");
  return *final_beta;
}

// A posterior whose covariance costs a Jacobian: it is computed when first needed, and then kept.
class OptimalPosterior final
    : public variform::With<variform::Posterior, variform::ClosedEntropy, variform::Moments> {
 public:
  OptimalPosterior(Tensor mean, Tensor x, variform::Context context, const Settings& settings)
      : mean_(std::move(mean)), x_(std::move(x)), context_(std::move(context)), settings_(settings) {}

  Tensor location() const override { return mean_; }
  variform::Draw rsample(int64_t K, variform::Generator& rng) const override {
    return optimum().rsample(K, rng);
  }
  Tensor log_prob(const variform::Draw& draw) const override { return optimum().log_prob(draw); }
  Tensor entropy() const override { return optimum().entropy(); }
  std::optional<variform::Covariance> covariance() const override { return optimum().covariance(); }

 private:
  const variform::GaussianPosterior& optimum() const {
    if (optimum_) return *optimum_;
    const std::optional<variform::Gaussian> prior = settings_.model->prior().gaussian(context_);
    if (!prior)
      throw variform::Unsupported(
          "the optimal covariance of the theory's §4 exists for a Gaussian prior only, but prior " +
          settings_.model->label(variform::Kind::kPrior) +
          " is not Gaussian; use prior 'gaussian' or another family");
    const Tensor h = settings_.model
                         ->latent_hessian(x_, mean_, settings_.model->unit_tangents(mean_.size(0)), context_,
                                          settings_.curvature)
                         .hessian;
    const Tensor beta = at::full({}, beta_of(settings_), h.options());
    const Tensor precision = prior->covariance.to(at::kDouble).precision()[0];
    optimum_.emplace(mean_, variform::optimal_covariance(settings_.structure, h, beta, precision));
    return *optimum_;
  }

  Tensor mean_, x_;  // [B, d], [B, data…]
  variform::Context context_;
  Settings settings_;
  mutable std::optional<variform::GaussianPosterior> optimum_;
};

/// q(z|x) = N(h(x), Σ*), where Σ* minimises ½ tr(HΣ) + β KL inside `structure`: (Q + H/β)⁻¹ for a full one, with
/// H = JᵀH_ℓJ at h(x) and Q the Gaussian prior's precision (§4, second column). The encoder outputs d numbers, the
/// mean. Where Q + H/β is not positive definite (H is indefinite) everything is NaN; use curvature = "fisher".
class Optimal final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Optimal(const variform::Build& build)
      : settings_{build.model,
                  variform::Structure::named(build.text("structure"), build.latent, build.integer("block"),
                                             build.integer("rank")),
                  variform::curvature_named(build.text("curvature")), build.number("beta")} {
    settings_.structure.validate(build.latent);
  }
  int64_t parameter_count(int64_t d) const override { return d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override { return {{"mean", d}}; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor& x,
                                                 const variform::Context& context) override {
    return std::make_unique<OptimalPosterior>(params, x, context, settings_);
  }

 private:
  Settings settings_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Optimal>(
    "optimal",
    "Gaussian posterior whose covariance is the optimum for the decoder's curvature: the posterior of a GRAE "
    "model.",
    "Kumar and Poole, On Implicit Regularization in β-VAEs, ICML 2020, section 3; theory §4, §5",
    {variform::text("structure", "full")
         .one_of({"full", "diagonal", "block", "isotropic", "low-rank"})
         .doc("Structure inside which the covariance is optimal; take the objective's own to evaluate a "
              "model as it was trained."),
     variform::integer("block", 0)
         .at_least(0)
         .in("latents")
         .doc("Size of the blocks when structure is \"block\"; the last block is smaller when it does not "
              "divide the latent dimension."),
     variform::integer("rank", 1).at_least(0).doc("Rank when structure is \"low-rank\", below d."),
     variform::number("beta", 0.0)
         .at_least(0)
         .doc("The β that the covariance is optimal for; 0 takes the objective's at the end of training. 1 "
              "gives the posterior for an evidence lower bound."),
     variform::text("curvature", "hessian")
         .one_of({"hessian", "fisher"})
         .doc("Second derivative of the likelihood: exact (\"hessian\") or its expectation under the model, "
              "which is never negative (\"fisher\").")}))
