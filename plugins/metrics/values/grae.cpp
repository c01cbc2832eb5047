// The losses at optimal covariances, for this decoder at this encoding (theory §4, §5): one for each structure.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "../geometry.h"
#include "attempt.h"

namespace variform::metrics {
namespace {

class Bounds final : public With<Metric, Finishes, InValues> {
 public:
  explicit Bounds(const Build& /*build*/) {}

  bool in_values() const override { return true; }

  std::vector<Quantity> quantities() const override {
    return {{"grae", kNats, "deterministic loss, full covariance (§5)"},
            {"low_rank_bound", kNats, "the same, covariance of the family's low rank"},
            {"block_bound", kNats, "the same, covariance in blocks"},
            {"diagonal_bound", kNats, "the same, diagonal covariance: what GRAE≈ estimates"},
            {"isotropic_bound", kNats, "the same, one variance for all latents"},
            {"grae_approx", kNats, "one draw of GRAE≈, one column per example"},
            {"contrast", kNats, "(diagonal_bound − grae) / β: 0 where H is diagonal (§8)"},
            {"off_diagonal", "", "share of H's squares off its diagonal, H normalised (§8)"}};
  }

  void measure(Measured& at, Findings& findings) override {
    attempt(findings,
            {"grae", "low_rank_bound", "block_bound", "diagonal_bound", "isotropic_bound", "grae_approx",
             "contrast", "off_diagonal"},
            [&] { findings.rows("off_diagonal", off_diagonal_share(at.hessian())); });
    attempt(findings,
            {"grae", "low_rank_bound", "block_bound", "diagonal_bound", "isotropic_bound", "grae_approx",
             "contrast"},
            [&] { add_bounds(at, findings); });
  }

  void finish(Measured& at, Findings& findings) override {
    if (column_sum_.defined()) add_column_variances(at, findings);
  }

 private:
  void add_bounds(Measured& at, Findings& findings) {
    const int64_t d = at.model().latent;
    const Tensor full = at.curvature_penalty(Structure::full(d)),
                 diagonal = at.curvature_penalty(Structure::diagonal(d));
    const std::optional<Gaussian> prior = common_gaussian(at.model().prior());
    const Covariance covariance = prior->covariance.to(at::kDouble);
    const double beta = beta_of(at);
    const Tensor norm =
        0.5 * beta * covariance.whiten((at.codes() - prior->mean).to(at::kDouble)).square().sum(-1);
    const Tensor base = at.nll_at_codes() + norm;
    findings.rows("grae", base + full);
    findings.rows("diagonal_bound", base + diagonal);
    findings.rows("isotropic_bound", base + at.curvature_penalty(Structure::isotropic(d)));
    add_own_structure(at, findings, base);
    if (beta > 0) findings.rows("contrast", (diagonal - full) / beta);
    else findings.undefined("contrast", "β is 0");
    add_columns(at, findings, base + diagonal, covariance.precision()[0]);
    warn_if_not_finite(full, at, findings);
  }

  // Adds the bounds of blocks and of low rank, for families that have them.
  void add_own_structure(Measured& at, Findings& findings, const Tensor& base) {
    if (const auto blocks = at.blocks(); !blocks.empty())
      findings.rows("block_bound", base + at.curvature_penalty(Structure{blocks}));
    else findings.absent("block_bound");
    const std::optional<Structure> own = structure(at);
    if (own && own->rank >= 0) findings.rows("low_rank_bound", base + at.curvature_penalty(*own));
    else findings.absent("low_rank_bound");
  }

  // Returns the structure of the family's covariance, from the first batch; empty: it has none.
  const std::optional<Structure>& structure(Measured& at) {
    if (!std::exchange(has_looked_, true)) try {
        structure_ = at.covariance().structure();
      } catch (const Unsupported&) {  // it has none
      }
    return structure_;
  }

  // Adds GRAE≈ with one column per example. c_i, the contributions of single columns, sum to the diagonal bound but for
  // a constant of the prior.
  void add_columns(Measured& at, Findings& findings, const Tensor& diagonal_bound, const Tensor& precision) {
    const double beta = beta_of(at);
    const Tensor hessian = at.hessian(), ratio = hessian.diagonal(0, 1, 2) / precision.diagonal();
    const Tensor columns = beta > 0 ? 0.5 * beta * (ratio / beta).log1p() : at::zeros_like(ratio);  // [B, d]
    const Tensor chosen =
        at::rand(columns.sizes(), at.random("column"), hessian.options()).argmax(1, /*keepdim=*/true);
    const Tensor one = static_cast<double>(columns.size(1)) * columns.gather(1, chosen).squeeze(1);
    findings.rows("grae_approx", diagonal_bound - columns.sum(1) + one);
    const Tensor centred = columns - columns.mean(1, /*keepdim=*/true);
    column_sum_ = column_sum_.defined() ? column_sum_ + centred.sum(0) : centred.sum(0);
    column_squares_ += centred.square().sum().item<double>();
  }

  void warn_if_not_finite(const Tensor& penalty, Measured& at, Findings& findings) {
    if (has_warned_ || at.curvature() != Curvature::kHessian || penalty.isfinite().all().item<bool>()) return;
    has_warned_ = true;
    findings.note(
        "Where H + β times the prior's precision is not positive definite, use the Fisher curvature "
        "(theory §4).");
  }

  // Reports the variance of GRAE≈'s regularizer for one training batch (§5): d‖c̄‖² with one column for the whole batch
  // (its expectation over batches), and (d/n) mean‖c‖² with one column per example.
  void add_column_variances(Measured& at, Findings& findings) const {
    const int64_t latent = at.model().latent, rows = at.training_rows();
    const auto d = static_cast<double>(latent), batch = static_cast<double>(rows);
    const double squares = column_squares_ / static_cast<double>(at.size());
    const double of_mean = (column_sum_ / at.size()).square().sum().item<double>();
    const double per_batch = d * (of_mean + (squares - of_mean) / batch), per_example = d / batch * squares;
    std::string columns;
    for (int64_t k = 1; k < latent;
         k *= 2) {  // without replacement: (1 − k/d)/k of d/(d − 1) times one column's
      const auto n = static_cast<double>(k);
      const double share = (d - n) / (n * (d - 1));
      columns += (columns.empty() ? "" : ", ") + std::string("{\"columns\": ") + std::to_string(k) +
                 ", \"a_batch\": " + exact(share * per_batch) +
                 ", \"a_datum\": " + exact(share * per_example) + "}";
    }
    findings.object("grae_approx_variance", "{\"batch\": " + std::to_string(rows) +
                                                ", \"one_column_a_batch\": " + exact(per_batch) +
                                                ", \"one_column_a_datum\": " + exact(per_example) +
                                                ", \"columns\": [" + columns + "]}");
    findings.note("GRAE≈'s regularizer for a training batch of " + std::to_string(rows) +
                  " has a standard deviation of " + short_text(std::sqrt(per_batch)) +
                  " nats with one column per batch, " + short_text(std::sqrt(per_example)) +
                  " with one per example (§5).");
  }

  // A number as JSON, to the last digit; null when it is not finite.
  static std::string exact(double value) { return std::isfinite(value) ? printed("%.17g", value) : "null"; }
  static std::string short_text(double value) { return printed("%.3g", value); }
  static std::string printed(const char* format, double value) {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return text;
  }

  bool has_looked_ = false, has_warned_ = false;
  std::optional<Structure> structure_;
  Tensor column_sum_;          // Σ_n c_n, centred, [d]
  double column_squares_ = 0;  // Σ_n ‖c_n‖²
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Bounds>(
    "grae", "The losses at optimal covariances, for this decoder at this encoding: GRAE and its relatives.",
    "theory §4, §5"))
