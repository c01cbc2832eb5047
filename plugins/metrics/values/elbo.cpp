// The losses of the training and the evidence bound, at the model's own posterior.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include "attempt.h"

namespace variform::metrics {
namespace {

class Losses final : public With<Metric, InValues> {
 public:
  explicit Losses(const Build& /*build*/) {}

  bool in_values() const override { return true; }

  std::vector<Quantity> quantities() const override {
    return {{"elbo", kNats, "negative evidence lower bound: nll + kl"},
            {"nll", kNats, "E_q of −log p(x|z)"},
            {"kl", kNats, "KL of q to the prior"},
            {"nll_at_mean", kNats, "−log p(x|z) at q's location"},
            {"loss_beta", kNats, "nll + β kl"},
            {"objective", kNats, "the trained loss, as its objective computes it on batches of rows"}};
  }

  void measure(Measured& at, Findings& findings) override {
    findings.rows("nll_at_mean", at.nll_at_codes());
    attempt(findings, {"nll", "kl", "elbo", "loss_beta"}, [&] {
      at.draws();  // their absence is the first reason
      const Tensor nll = at.nll().mean(0);
      findings.rows("nll", nll);
      attempt(findings, {"kl", "elbo", "loss_beta"}, [&] {
        const Tensor kl = at.kl();
        findings.rows("kl", kl);
        findings.rows("elbo", nll + kl);
        attempt(findings, {"loss_beta"}, [&] { findings.rows("loss_beta", nll + beta_of(at) * kl); });
      });
    });
    attempt(findings, {"objective"}, [&] {
      at.random("objective");
      findings.rows("objective", at.model().evaluate(at.batch()).loss.expand({at.batch().x.size(0)}));
    });
  }
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Losses>(
    "elbo", "The losses of the training and the evidence bound, at the model's own posterior.",
    "Kingma and Welling 2014; Higgins et al. 2017"))
