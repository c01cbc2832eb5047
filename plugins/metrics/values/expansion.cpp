// The second-order expansion of the loss about the posterior's mean (theory §3), and what is left beyond it.

#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "attempt.h"
#include "expansion.h"

namespace variform::metrics {

Tensor full_hessian(Model& model, const Tensor& x, const Tensor& z, const Context& context) {
  if (!model.decoder().rows_independent())
    throw Unsupported("decoder " + model.label(Kind::kDecoder) +
                      " mixes the rows of a batch, so that there is no Hessian per row");
  const at::AutoGradMode on(true);
  const Tensor here = z.detach().requires_grad_(true);
  const Tensor value = model.nll(x, model.decode(here, context), context);
  try {
    const Tensor slope = torch::autograd::grad({value.sum()}, {here}, {}, true, true)[0];  // [B, d]
    std::vector<Tensor> rows;
    for (int64_t i = 0; i < here.size(1); ++i) {
      Tensor row;
      if (slope.requires_grad())
        row = torch::autograd::grad({slope.select(1, i).sum()}, {here}, {}, true, false,
                                    /*allow_unused=*/true)[0];
      rows.push_back(row.defined() ? row : at::zeros_like(z));
    }
    return at::stack(rows, 1).to(at::kDouble).detach();
  } catch (const c10::Error& error) {
    throw Unsupported("the model cannot be differentiated twice (" +
                      std::string(error.what_without_backtrace()) + ")");
  }
}

bool is_symmetric(const Posterior& posterior, const Tensor& z) {
  try {
    const Tensor there = posterior.log_prob({z, {}}),
                 back = posterior.log_prob({2 * posterior.location() - z, {}});
    return ((there - back).abs() <= 1e-3 * (1 + there.abs())).all().item<bool>();
  } catch (const Unsupported&) {
    return false;
  }
}

namespace {

class Expansion final : public With<Metric, InValues> {
 public:
  explicit Expansion(const Build& /*build*/) {}

  bool in_values() const override { return true; }

  std::vector<Quantity> quantities() const override {
    return {{"taylor", kNats, "second-order expansion of loss_beta about q's location (§3)"},
            {"taylor_gap", kNats, "loss_beta − taylor, by mirrored draws"},
            {"taylor_full", kNats, "taylor with all of ∇²F instead of H = JᵀH_ℓJ"},
            {"taylor_full_gap", kNats, "loss_beta − taylor_full, by mirrored draws"},
            {"gauss_newton_rest", kNats, "taylor_full − taylor: ½tr((∇²F − H)Σ)"},
            {"ratio_R", "", "½tr(HΣ) / (nll − nll_at_mean): 1 where taylor is good"},
            {"half_trace", kNats, "½tr(HΣ)"},
            {"spread", kNats, "nll − nll_at_mean"}};
  }

  void measure(Measured& at, Findings& findings) override {
    even_ = Tensor();
    const Covariance covariance = at.covariance();
    add_quadratic(at, findings, covariance);
    add_full(at, findings, covariance);
  }

 private:
  void add_quadratic(Measured& at, Findings& findings, const Covariance& covariance) {
    attempt(findings, {"half_trace", "spread", "taylor", "taylor_gap", "ratio_R"}, [&] {
      const Tensor hessian = at.hessian(), half_trace = 0.5 * covariance.trace(hessian);
      findings.rows("half_trace", half_trace);
      attempt(findings, {"taylor"}, [&] {
        const Tensor kl = at.kl();
        findings.rows("taylor", at.nll_at_codes() + half_trace + beta_of(at) * kl);
      });
      attempt(findings, {"spread", "taylor_gap", "ratio_R"}, [&] {
        const Tensor spread = at.nll().mean(0) - at.nll_at_codes();
        findings.rows("spread", spread);
        findings.ratio("ratio_R", half_trace, spread);
        findings.rows("taylor_gap", beyond_quadratic(at, hessian));
      });
    });
  }

  // Adds the expansion with the full Hessian. Where the decoder is piecewise linear that is H; else only for the first
  // rows.
  void add_full(Measured& at, Findings& findings, const Covariance& covariance) {
    if (at.hessian_rows() == 0) {
      for (const char* each : {"taylor_full", "taylor_full_gap", "gauss_newton_rest"}) findings.absent(each);
      return;
    }
    Tensor hessian;
    attempt(findings, {"gauss_newton_rest"}, [&] { hessian = at.hessian(); });
    const bool known =
        at.model().decoder().piecewise_linear() && at.curvature() == Curvature::kHessian && hessian.defined();
    const int64_t all = at.codes().size(0), rows = known ? all : std::min(all, at.hessian_rows() - seen_);
    seen_ += all;
    if (rows <= 0) return;
    attempt(findings, {"taylor_full", "taylor_full_gap", "gauss_newton_rest"}, [&] {
      const auto some = [&](const Tensor& of_rows) { return of_rows.narrow(0, 0, rows); };
      const Tensor full = known ? hessian
                                : full_hessian(at.model(), some(at.batch().x), some(at.codes()),
                                               at.batch().context.rows(0, rows));
      const Tensor dense = some(covariance.dense());
      const auto half_trace = [&](const Tensor& h) { return 0.5 * (h * dense).sum({1, 2}); };
      if (hessian.defined()) findings.rows("gauss_newton_rest", half_trace(full - some(hessian)));
      attempt(findings, {"taylor_full"}, [&] {
        const Tensor kl = at.kl();
        findings.rows("taylor_full", some(at.nll_at_codes() + beta_of(at) * kl) + half_trace(full));
      });
      attempt(findings, {"taylor_full_gap"},
              [&] { findings.rows("taylor_full_gap", beyond_quadratic(at, full)); });
    });
  }

  // Returns L_β − L_Taylor of the first rows, [rows], one for each Hessian. KL cancels; quadratic form and mirrored
  // draws remove most of the noise.
  Tensor beyond_quadratic(Measured& at, const Tensor& hessian) {
    const int64_t count = hessian.size(0);
    const Tensor off = (at.draws().z - at.codes()).narrow(1, 0, count).to(at::kDouble);  // [K, rows, d]
    const Tensor quadratic = 0.5 * at::einsum("kbi,bij,kbj->kb", {off, hessian, off});
    return (even(at).narrow(1, 0, count) - at.nll_at_codes().narrow(0, 0, count) - quadratic).mean(0);
  }

  // Returns ℓ averaged over each draw and its mirror image about h, [K, B]; ℓ of the draw where q is not symmetric.
  const Tensor& even(Measured& at) {
    if (even_.defined()) return even_;
    const Tensor& z = at.draws().z;
    even_ = at.nll();
    if (is_symmetric(*at.posterior(), z)) even_ = 0.5 * (even_ + at.nll_of(2 * at.codes() - z));
    return even_;
  }

  int64_t seen_ = 0;  // rows of earlier batches
  Tensor even_;       // of the batch at hand
};

}  // namespace

}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Expansion>(
    "expansion",
    "The second-order expansion of the loss about the posterior's mean, and what is left beyond it.",
    "theory §3"))
