// Importance-weighted bounds on −log p(x) (theory §10), with draws of the model's posterior and of the one that is optimal
// for the decoder; bits per value of bytes.

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <c10/util/accumulate.h>

#include <cmath>
#include <numbers>
#include <optional>
#include <utility>

#include "attempt.h"

namespace variform::metrics {
namespace {

class ImportanceWeighted final : public With<Metric, InValues> {
 public:
  explicit ImportanceWeighted(const Build& /*build*/) {}

  bool in_values() const override { return true; }

  std::vector<Quantity> quantities() const override {
    return {{"is_nll", kNats, "importance-weighted −log p(x)"},
            {"is_effective_samples", "draws", "effective number of its draws"},
            {"is_nll_optimal", kNats, "is_nll with draws at the optimal covariance for β = 1"},
            {"is_effective_samples_optimal", "draws", "effective number of its draws"},
            {"bits_per_dimension", "bits per value", "bits per value, of bytes"}};
  }

  void measure(Measured& at, Findings& findings) override {
    Tensor nll;
    if (at.importance_samples() == 0) {
      for (const char* each :
           {"is_nll", "is_effective_samples", "is_nll_optimal", "is_effective_samples_optimal"})
        findings.absent(each);
    } else {
      attempt(findings, {"is_nll_optimal", "is_effective_samples_optimal"}, [&] {
        const GaussianPosterior one(at.codes(), at.optimal_covariance_at(1));
        const Weighted found = weighted(at, one, "importance optimal");
        findings.rows("is_nll_optimal", found.nll);
        findings.rows("is_effective_samples_optimal", found.effective);
      });
      attempt(findings, {"is_nll", "is_effective_samples"}, [&] {
        const Weighted found = weighted(at, *at.posterior(), "importance");
        nll = found.nll;
        findings.rows("is_nll", found.nll);
        findings.rows("is_effective_samples", found.effective);
        findings.keep("importance_z", found.z.transpose(0, 1));
      });
    }
    add_bits(at, findings, nll);
  }

 private:
  struct Weighted {
    Tensor nll;        // −log mean_k p(x|z_k) p(z_k) / q(z_k|x), [B]
    Tensor effective;  // effective number of draws, (Σw)²/Σw², [B]
    Tensor z;          // [K, B, d]
  };

  static Weighted weighted(Measured& at, const Posterior& posterior, const char* purpose) {
    const int64_t K = at.importance_samples();
    const Draw draw = posterior.rsample(K, at.random(purpose));
    const Tensor log_q = posterior.log_prob(draw).to(at::kDouble);
    const Tensor log_w = at.model().log_prior(draw.z, at.batch().context).to(at::kDouble) -
                         at.nll_of(draw.z) - log_q;  // [K, B]
    const Tensor total = log_w.logsumexp(0);
    return {std::log(static_cast<double>(K)) - total, (2 * total - (2 * log_w).logsumexp(0)).exp(), draw.z};
  }

  // Adds bits per value for bytes with uniform noise, whose density gives a code length for the bytes: from is_nll, or
  // from elbo where there is none.
  void add_bits(Measured& at, Findings& findings, Tensor nats) {
    const std::optional<Tensor> sd = at.noisy_bytes();
    if (!sd || at.model().likelihood().domain() != Domain::kReal)
      return findings.absent("bits_per_dimension");
    attempt(findings, {"bits_per_dimension"}, [&] {
      if (at.batch().context.mask.defined()) throw Unsupported("values are missing");
      const bool is_weighted = nats.defined();
      if (!is_weighted) nats = at.nll().mean(0) + at.kl();
      if (!std::exchange(has_said_, true))
        findings.detail("bits_per_dimension", is_weighted ? ", by is_nll" : ", by elbo");
      const auto size = static_cast<double>(c10::multiply_integers(at.model().data));
      nats = nats.to(at::kCPU, at::kDouble) + sd->log().expand(at.model().data).sum();
      findings.rows("bits_per_dimension", nats / (size * std::numbers::ln2) + 8);
    });
  }

  bool has_said_ = false;  // by which value bits are computed
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::ImportanceWeighted>(
    "importance", "Importance-weighted bounds on the log-likelihood, and bits per value of bytes.",
    "Burda et al. 2016; theory §10"))
