// GRAE and GRAE≈: the β-VAE's deterministic approximation, with the variational covariance at its optimum. They are one
// class, since the sampled estimate differs from the exact regularizer only in the number of Jacobian columns.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "hessian.h"

namespace {

using variform::Tensor;

/// L = ℓ(x, g(h)) + (β/2)(h − m)ᵀQ(h − m) + R, with h the encoder's output, N(m, Q⁻¹) the prior and R the left-over of
/// §4 for the family named by `structure`: (β/2) log det(I + JᵀH_ℓJ/β) for a full one and Q = I (§5).
/// With `columns` = k > 0 the diagonal row of R is estimated from k of the d columns of J, drawn without replacement:
/// (d/k)(β/2) Σ_i log(1 + J_iᵀH_ℓJ_i/(βQ_ii)), value and gradient unbiased, at the cost of k Jacobian–vector products.
/// With `probes = "rademacher"` the trace of the isotropic row is estimated instead, from k vectors v of random signs:
/// (βd/2) log(1 + t/(dβ)), t = mean vᵀHv. E t = tr H with variance (2/k) Σ_{i≠j} H_ij², but a logarithm of an estimate
/// is biased downwards (Jensen), by about (βd/2k) Σ_{i≠j} H_ij²/(dβ + tr H)²: exact where H is diagonal, and lowest
/// where its off-diagonal entries are large, a reward that the isotropic row does not have. With one probe the
/// expectation is still no less than the full row: d log(vᵀAv/d) ≥ Σ_i (q_iᵀv)² log a_i for A = I + H/β with eigenpairs
/// (a_i, q_i), whose mean is log det A. Rademacher probes cannot estimate the diagonal row without bias.
/// A prior that is not Gaussian is refused, or with `prior_curvature = "laplace"` replaced by −log p(h) − (d/2) log 2π
/// with the curvature V = −∇² log p(h) instead of I: an approximation, unbounded below where V + H/β is not positive.
class OptimalCovarianceLoss final : public variform::With<variform::Objective, variform::Weighted,
                                                          variform::UsesTangents, variform::StandsFor> {
 public:
  explicit OptimalCovarianceLoss(const variform::Build& build)
      : beta_(build.schedule("beta")),
        final_beta_(build.final_value("beta")),
        columns_(build.integer("columns")),
        per_sample_(build.flag("per_sample")),
        rademacher_(build.text("probes") == "rademacher"),
        curvature_(variform::curvature_named(build.text("curvature"))),
        laplace_(build.text("prior_curvature") == "laplace"),
        structure_(structure_of(build)),
        eye_(at::eye(build.latent, build.options)) {
    if (structure_) structure_->validate(build.latent);
    if (columns_ > build.latent)
      throw variform::Error("'columns' must not exceed the latent dimension " + std::to_string(build.latent) +
                            "; found " + std::to_string(columns_) + "; use 0 for all columns");
    const std::string name = build.text("structure");
    if (columns_ > 0 && !rademacher_ && name != "diagonal")
      throw variform::Error("sampled columns estimate the diagonal structure only, but structure is '" +
                            name + "'; set structure = \"diagonal\" or columns = 0");
    if (rademacher_ && (columns_ == 0 || name != "isotropic"))
      throw variform::Error(
          "Rademacher probes estimate the trace in the isotropic structure, 'columns' of them per step; "
          "found structure '" +
          name + "' and columns = " + std::to_string(columns_) +
          "; set structure = \"isotropic\" and columns from 1, or probes = \"columns\"");
  }

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const std::unique_ptr<variform::Posterior> posterior = model.posterior(batch.x, batch.context);
    const Tensor h = posterior->location();  // [B, d]
    const PriorPart prior = part_of_prior(model, batch, h);
    const auto [g, penalty] =
        rademacher_ ? probed(model, batch, h, prior)
        : columns_ > 0
            ? sampled(model, batch, h, prior)
            : exact(model, batch, h, prior, structure_ ? *structure_ : structure_of(model, *posterior));
    const Tensor nll = model.nll(batch.x, g, batch.context), norm = beta_ * prior.norm;
    return {nll + norm + penalty, {{"nll", nll}, {"norm", norm}, {"penalty", penalty}}};
  }
  Tensor beta() const override { return beta_; }
  double final_beta() const override { return final_beta_; }
  std::optional<variform::Structure> structure() const override { return structure_; }

 private:
  struct Regularized {
    Tensor g, penalty;  // [B, n, data…], [B]
  };

  static std::optional<variform::Structure> structure_of(const variform::Build& build) {
    const std::string name = build.text("structure");
    if (name == "family") return {};  // taken from every posterior
    return variform::Structure::named(name, build.latent, build.integer("block"), build.integer("rank"));
  }

  // Returns the structure of the model's own family, which does not depend on data.
  static variform::Structure structure_of(const variform::Model& model,
                                          const variform::Posterior& posterior) {
    const std::optional<variform::Covariance> covariance = posterior.covariance();
    if (!covariance)
      throw variform::Unsupported(
          "structure = \"family\" takes the covariance structure of the model's family, but family " +
          model.label(variform::Kind::kFamily) + " has none; name a structure");
    return covariance->structure();
  }

  // The terms of §4 that depend on the prior at h: `norm` [B], which measures the distance from its mode, and its
  // curvature: Q [d, d] of a Gaussian prior (its diagonal [d], if Q is diagonal), `excess` V − I [B, d, d] of others.
  struct PriorPart {
    Tensor norm, precision, excess;
  };

  PriorPart part_of_prior(variform::Model& model, const variform::Batch& data, const Tensor& h) const {
    if (const std::optional<variform::Gaussian> prior = model.prior().gaussian(data.context)) {
      const variform::Covariance covariance = prior->covariance.to(at::kDouble);
      const Tensor away = covariance.whiten((h - prior->mean).to(at::kDouble));
      const Tensor norm = 0.5 * away.square().sum(-1);
      if (!is_conditioned(model.prior())) return {norm, precision_of(covariance), {}};
      const Tensor precision =
          covariance.precision();  // [B, d, d]: as §4's last row, with −log p of the prior
      return {norm + 0.5 * covariance.log_det(), {}, precision - at::eye(h.size(1), precision.options())};
    }
    if (!laplace_)
      throw variform::Unsupported(
          "this objective needs a Gaussian prior (theory §4), but prior " +
          model.label(variform::Kind::kPrior) +
          " is not Gaussian; use prior 'gaussian', objective 'beta-vae', or prior_curvature = \"laplace\" "
          "for §4's approximation");
    return laplace_part(model, data, h);
  }

  // Q [d, d], or its diagonal [d] if it is diagonal.
  static Tensor precision_of(const variform::Covariance& covariance) {
    return covariance.is_diagonal() ? covariance.variances()[0].reciprocal() : covariance.precision()[0];
  }

  // Computes §4's last row: −log p(h) − (d/2) log 2π, and V = −∇² log p(h), differentiable where the loss is.
  static PriorPart laplace_part(variform::Model& model, const variform::Batch& data, const Tensor& h) {
    const int64_t d = h.size(1);
    const auto [minus_log_p, v] = variform::objectives::value_and_hessian(
        h, [&](const Tensor& z) { return -model.log_prior(z, data.context); });
    const double constant = 0.5 * static_cast<double>(d) * std::log(2 * std::numbers::pi);
    return {minus_log_p.to(at::kDouble) - constant, {}, v - at::eye(d, v.options())};
  }

  Regularized exact(variform::Model& model, const variform::Batch& data, const Tensor& h,
                    const PriorPart& prior, const variform::Structure& structure) const {
    const variform::Linearization local =
        model.latent_hessian(data.x, h, model.unit_tangents(h.size(0)), data.context, curvature_);
    return {local.output, penalty(structure, local.hessian, prior)};
  }

  Tensor penalty(const variform::Structure& structure, const Tensor& hessian, const PriorPart& prior) const {
    // log det(V + H/β) = log det(I + (H + β(V − I))/β), and so for the diagonal, in blocks, and for the trace.
    const Tensor curvature = prior.excess.defined() ? hessian + beta_ * prior.excess : hessian;
    return variform::curvature_penalty(structure, curvature, beta_, prior.precision);
  }

  // The isotropic row depends on H by its trace alone, so (t/d) I replaces H.
  Regularized probed(variform::Model& model, const variform::Batch& data, const Tensor& h,
                     const PriorPart& prior) const {
    const int64_t batch = h.size(0), d = h.size(1);
    const Tensor signs =
        2 * at::randint(2, {columns_, per_sample_ ? batch : 1, d}, model.rng, eye_.options()) - 1;
    const variform::Linearization local =
        model.latent_hessian(data.x, h, signs.expand({columns_, batch, d}), data.context, curvature_);
    const Tensor trace = local.hessian.diagonal(0, 1, 2).mean(1);  // [B], of vᵀHv
    const Tensor hessian = (trace / static_cast<double>(d)).unsqueeze(1).expand({batch, d}).diag_embed();
    return {local.output, penalty(*structure_, hessian, prior)};
  }

  Regularized sampled(variform::Model& model, const variform::Batch& data, const Tensor& h,
                      const PriorPart& prior) const {
    const int64_t batch = h.size(0), d = h.size(1);
    const Tensor chosen = choose(per_sample_ ? batch : 1, d, model.rng);  // [B or 1, k]
    const Tensor tangents = eye_.index_select(0, chosen.flatten())
                                .reshape({-1, columns_, d})
                                .transpose(0, 1)
                                .expand({columns_, batch, d});
    const variform::Linearization local = model.latent_hessian(data.x, h, tangents, data.context, curvature_);
    const Tensor curvature = local.hessian.diagonal(0, 1, 2);  // H_ii of the chosen columns
    const double scale = static_cast<double>(d) / static_cast<double>(columns_);
    const variform::Structure diagonal = variform::Structure::diagonal(columns_);
    if (prior.excess.defined()) {
      const Tensor excess = prior.excess.diagonal(0, 1, 2).gather(1, chosen.expand({batch, columns_}));
      const Tensor total = (curvature + beta_ * excess).diag_embed();
      return {local.output, scale * variform::curvature_penalty(diagonal, total, beta_)};
    }
    const bool narrow = prior.precision.dim() == 1;
    const Tensor all = narrow ? prior.precision : prior.precision.diagonal();
    const Tensor own = all.index_select(0, chosen.flatten()).reshape_as(chosen);  // Q_ii
    const Tensor estimate =
        scale * variform::curvature_penalty(diagonal, (curvature / own).diag_embed(), beta_);
    if (narrow) return {local.output, estimate};
    // The diagonal row's other term, for a Q that is not diagonal: exact, since it needs no Jacobian.
    const Tensor constant = variform::curvature_penalty(
        *structure_, at::zeros({1, d, d}, prior.precision.options()), beta_, prior.precision);
    return {local.output, estimate + constant};
  }

  // Chooses k of d columns without replacement, on the device: the first k of a random order.
  Tensor choose(int64_t rows, int64_t d, variform::Generator& rng) const {
    return at::rand({rows, d}, rng, eye_.options()).argsort(int64_t{1}).narrow(1, 0, columns_);
  }

  Tensor beta_;
  double final_beta_;
  int64_t columns_;
  bool per_sample_, rademacher_;
  variform::Curvature curvature_;
  bool laplace_;
  std::optional<variform::Structure> structure_;  // empty: that of the model's family
  Tensor eye_;                                    // constant, not state
};

constexpr variform::Parameter kBeta =
    variform::number("beta", 1.0)
        .at_least(0)
        .schedulable()
        .doc("Weight of encoding norm and regularizer, as in the β-VAE; 0 leaves a plain autoencoder.");
constexpr variform::Parameter kBlock = variform::integer("block", 0)
                                           .at_least(0)
                                           .in("latents")
                                           .doc(
                                               "Size of the blocks when structure is \"block\"; the last "
                                               "block is smaller when it does not divide the latent "
                                               "dimension.");
constexpr variform::Parameter kRank =
    variform::integer("rank", 1).at_least(0).doc("Rank when structure is \"low-rank\", below d.");
constexpr variform::Parameter kPerSample =
    variform::flag("per_sample", false)
        .doc(
            "Whether each row of a batch draws its own columns or probes instead of all sharing them: the "
            "same cost and expectation, and usually a far lower variance (the batch averages over columns). "
            "The paper shares one column.");
constexpr variform::Parameter kProbes = variform::text("probes", "columns")
                                            .one_of({"columns", "rademacher"})
                                            .doc(
                                                "What `columns` > 0 counts: Jacobian columns, without bias "
                                                "for the diagonal structure (\"columns\"), or directions of "
                                                "random signs for the trace in the isotropic structure, "
                                                "where the trace is unbiased and the penalty, its logarithm, "
                                                "too low by about (βd/2k) Σ H_ij²/(dβ + tr H)² over i ≠ j "
                                                "(\"rademacher\").");
constexpr variform::Parameter kCurvature = variform::text("curvature", "hessian")
                                               .one_of({"hessian", "fisher"})
                                               .doc(
                                                   "Second derivative of the likelihood: exact (\"hessian\") "
                                                   "or its expectation under the model, which is never "
                                                   "negative (\"fisher\").");

constexpr variform::Parameter kPriorCurvature =
    variform::text("prior_curvature", "gaussian")
        .one_of({"gaussian", "laplace"})
        .doc(
            "Treatment of the prior: a Gaussian one is taken exactly and others are refused "
            "(\"gaussian\"), or others are expanded to second order at the encoding, §4's approximation "
            "(\"laplace\").");

constexpr variform::Parameter structure(const char* otherwise) {
  return variform::text("structure", otherwise)
      .one_of({"full", "diagonal", "block", "isotropic", "low-rank", "family"})
      .doc(
          "Covariance structure of the variational family that the regularizer stands for: full leaves the "
          "decoder's curvature free, diagonal pushes its columns towards orthogonality, low-rank is `rank` "
          "plus s²I; family takes that of the model's own family.");
}
constexpr variform::Parameter columns(int otherwise) {
  return variform::integer("columns", otherwise)
      .at_least(0)
      .in("columns per step")
      .doc(
          "Jacobian columns drawn without replacement in each step to estimate the diagonal structure, or "
          "random directions (`probes`); 0 uses all columns and is exact.");
}

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<OptimalCovarianceLoss>(
        "grae",
        "GRAE: reconstruction, encoding norm and log-determinant of the decoder's curvature; deterministic.",
        "Kumar and Poole, On Implicit Regularization in β-VAEs, ICML 2020, section 4; theory §4, §5",
        {kBeta, structure("full"), kBlock, kRank, columns(0), kPerSample, kProbes, kCurvature,
         kPriorCurvature}),
    variform::component<OptimalCovarianceLoss>(
        "grae-approx", "GRAE≈: GRAE's diagonal bound estimated from one Jacobian column per step.",
        "Kumar and Poole, On Implicit Regularization in β-VAEs, ICML 2020, section 4; theory §5",
        {kBeta, structure("diagonal"), kBlock, kRank, columns(1), kPerSample, kProbes, kCurvature,
         kPriorCurvature}))
