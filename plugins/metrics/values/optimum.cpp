// The values at the posterior of a GRAE model (theory §5), for every model: the family's location with the covariance that
// is optimal for the decoder, at β = 1 and at the training β.

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include "attempt.h"

namespace variform::metrics {
namespace {

class Optimum final : public With<Metric, InValues> {
 public:
  explicit Optimum(const Build& /*build*/) {}

  bool in_values() const override { return true; }

  std::vector<Quantity> quantities() const override {
    return {{"elbo_optimal", kNats, "elbo at the optimal covariance for β = 1"},
            {"loss_beta_optimal", kNats, "loss_beta at the optimal covariance for β"}};
  }

  void measure(Measured& at, Findings& findings) override {
    attempt(findings, {"elbo_optimal", "loss_beta_optimal"}, [&] {
      const GaussianPosterior one(at.codes(), at.optimal_covariance_at(1));
      findings.keep("covariance_optimal", one.covariance()->dense());
      Generator& rng = at.random("optimal");
      findings.rows("elbo_optimal", loss(at, one, 1, rng));
      attempt(findings, {"loss_beta_optimal"}, [&] {
        const GaussianPosterior best(at.codes(), at.optimal_covariance());
        findings.rows("loss_beta_optimal", loss(at, best, beta_of(at), rng));
      });
    });
  }

 private:
  static Tensor loss(Measured& at, const Posterior& posterior, double beta, Generator& rng) {
    const Draw draw = posterior.rsample(at.samples(), rng);
    return at.nll_of(draw.z).mean(0) +
           beta * at.model().kl(posterior, draw, at.batch().context).to(at::kDouble);
  }
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Optimum>(
    "optimum", "Losses at the covariance that is optimal for the decoder: the posterior of a GRAE model.",
    "theory §5"))
