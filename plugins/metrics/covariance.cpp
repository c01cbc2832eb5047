// How far the learned covariance is from the optimal one of §4.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <vector>

#include "activity.h"

namespace variform::metrics {
namespace {

class CovarianceGap final : public With<Metric, Finishes> {
 public:
  explicit CovarianceGap(const Build& /*build*/) {}

  std::vector<Quantity> quantities() const override {
    const std::string ratio =
        "learned over optimal variance, Σ_ii/Σ*_ii (§4; the family's structure, training β): median over ";
    return {{"variance_ratio", "", ratio + "data and latents"},
            {"variance_ratio_active", "", ratio + "data and active latents"},
            {"kl_to_optimum", "nats", "KL(N(h, Σ) ‖ N(h, Σ*)); β times it is what the optimum would gain"}};
  }

  void measure(Measured& at, Findings& findings) override {
    const Covariance best = at.optimal_covariance(), own = at.covariance();
    codes_.push_back(at.codes());
    const Tensor optimal = best.variances().to(at::kCPU);  // [B, d]
    const Tensor learned = own.variances().to(at::kCPU).expand_as(optimal);
    ratios_.push_back(learned / optimal);
    const auto d = static_cast<double>(optimal.size(1));
    findings.rows("kl_to_optimum", 0.5 * (own.trace(best.precision()) - d - own.log_det() + best.log_det()));
    if (learned_.defined() && learned_.size(0) == kVariances) return;
    keep(learned_, learned);
    keep(optimal_, optimal);
  }

  void finish(Measured& /*at*/, Findings& findings) override {
    const Tensor ratios = at::cat(ratios_);
    findings.median("variance_ratio", ratios);
    const Tensor active = active_latents(at::cat(codes_)).nonzero().squeeze(1);
    if (active.numel() > 0) findings.median("variance_ratio_active", ratios.index_select(1, active));
    else findings.undefined("variance_ratio_active", "no latent is active");
    findings.spread("variance_ratio", ratios);
    findings.array("learned_variances", learned_);
    findings.array("optimal_variances", optimal_);
  }

 private:
  static constexpr int64_t kVariances = 64;  // rows

  static void keep(Tensor& kept, const Tensor& more) {
    kept =
        kept.defined() ? at::cat({kept, more}).slice(0, 0, kVariances) : more.slice(0, 0, kVariances).clone();
  }

  std::vector<Tensor> codes_, ratios_;
  Tensor learned_, optimal_;  // variances of the first rows
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::CovarianceGap>(
    "covariance", "How far the learned covariance is from the one that is optimal for the decoder.",
    "theory §4"))
