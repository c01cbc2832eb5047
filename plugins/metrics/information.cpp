// See information.h.

#include "information.h"

#include <variform/latent_kl.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "activity.h"

namespace variform::metrics {

// ------------------------------------------------------------------------------------------ aggregate posterior

void AggregatePosterior::add(std::shared_ptr<const Posterior> posterior, const Tensor& z) {
  parts_.push_back({std::move(posterior), z});
  size_ += z.size(0);
}

AggregatePosterior::Densities AggregatePosterior::densities(Model& model, int64_t draws,
                                                            const Progress& progress) const {
  constexpr int64_t kNumbers = int64_t{1} << 18;  // coordinates of z at a time, against a batch of posteriors
  constexpr double kNothing = 80;  // exp(−80) adds nothing to 1; far below it, LibTorch's exp is slow
  if (is_conditioned(model.prior()))
    throw Unsupported(
        "prior " + model.label(Kind::kPrior) +
        " differs from row to row, so that there is no one density for the aggregate posterior");
  const int64_t count = std::min(draws, size_);
  const auto wide = [](const Tensor& tensor) { return tensor.to(at::kCPU, at::kDouble); };
  std::vector<Tensor> draw_of, log_q_of;  // per row, [B, d] and [B]
  for (const Part& part : parts_) {
    draw_of.push_back(part.z);
    log_q_of.push_back(wide(part.posterior->log_prob({part.z.unsqueeze(0), {}})).squeeze(0));
  }
  const Tensor index = at::floor_divide(at::arange(count) * size_, count);
  const Tensor z = at::cat(draw_of).index_select(0, index.to(draw_of[0].device())).unsqueeze(1);  // [S, 1, d]

  Densities found{at::cat(log_q_of).index_select(0, index),
                  at::full({count}, -std::numeric_limits<double>::infinity(), at::kDouble),
                  wide(model.log_prior(z.squeeze(1), {}))};
  int64_t done = 0;
  for (const Part& part : parts_) {
    if (progress) progress(done, size_);
    done += part.z.size(0);
    const int64_t chunk = std::max<int64_t>(1, kNumbers / (part.z.size(0) * model.latent));
    for (int64_t start = 0; start < count; start += chunk) {
      const Tensor log_q = part.posterior->log_prob({z.slice(0, start, start + chunk), {}});  // [s, B]
      const Tensor sum = found.aggregate.slice(0, start, start + chunk);
      const Tensor least = log_q.amax(1, /*keepdim=*/true) - kNothing;
      sum.copy_(at::logaddexp(sum, wide(log_q.clamp_min(least).logsumexp(1))));
    }
  }
  found.aggregate -= std::log(static_cast<double>(size_));
  return found;
}

// ------------------------------------------------------------------------------------------------ the metric

namespace {

class Information final : public With<Metric, Finishes> {
 public:
  explicit Information(const Build& /*build*/) {}

  std::vector<Quantity> quantities() const override {
    return {
        {"active_units", "latents",
         "latents whose code varies over data: Var(h_i) > 0.01 (Burda et al. 2016)"},
        {"active_directions", "directions",
         "eigenvalues of E[H]/β above 0.01: the same however latents are rotated (§8)"},
        {"latent_kl", "nats",
         "sum over latents of KL(q(z_i|x) ‖ p(z_i)); less than kl where latents correlate"},
        {"mutual_information", "nats",
         "I(x; z) of these rows: at most the logarithm of their number, near it too low (Hoffman and Johnson "
         "2016)"},
        {"aggregate_kl", "nats",
         "KL(q(z) ‖ p(z)), q(z) the mixture of all rows' posteriors: kl − mutual_information"}};
  }

  void measure(Measured& at, Findings& /*findings*/) override {
    codes_.push_back(at.codes());
    add_hessian(at);
    try {
      const Draw& draw = at.draws();
      add_latent_kl(at, draw);
      aggregate_.add(at.posterior(), draw.z[0]);
    } catch (const Unsupported& lacks) {
      no_draws_ = lacks.what();
    }
  }

  void finish(Measured& at, Findings& findings) override {
    add_activity(at, findings);
    if (!latent_kl_.empty()) {
      const Tensor kl = at::cat(latent_kl_);
      findings.rows("latent_kl", kl.sum(1));
      findings.detail("latent_kl", is_closed_ ? "; in closed form" : "; entropies by Monte Carlo");
      findings.array("latent_kl", kl.mean(0));
    } else {
      findings.undefined("latent_kl", no_latent_kl_.empty() ? no_draws_ : no_latent_kl_);
    }
    add_information(at, findings);
  }

 private:
  void add_hessian(Measured& at) {
    try {
      const Tensor sum = at.hessian().sum(0).to(at::kCPU);
      hessian_sum_ = hessian_sum_.defined() ? hessian_sum_ + sum : sum;
    } catch (const Unsupported& lacks) {
      no_hessian_ = lacks.what();
    }
  }

  void add_latent_kl(Measured& at, const Draw& draw) {
    if (!no_latent_kl_.empty()) return;
    Model& model = at.model();
    try {
      const std::optional<Gaussian> prior = model.prior().gaussian(at.batch().context);
      if (!prior) throw Unsupported("the marginals of prior " + model.label(Kind::kPrior) + " are not known");
      const LatentKl found = latent_kl(*at.posterior(), draw, *prior);
      latent_kl_.push_back(found.kl.to(at::kCPU));
      is_closed_ = found.closed;
    } catch (const Unsupported& lacks) {
      no_latent_kl_ = lacks.what();
      latent_kl_.clear();
    }
  }

  void add_activity(Measured& at, Findings& findings) const {
    const Tensor codes = at::cat(codes_), wide = codes.to(at::kCPU, at::kDouble);
    if (wide.size(0) < 2) findings.undefined("active_units", "one row has no variance");
    else {
      findings.number("active_units", active_latents(codes).sum().item<double>());
      findings.array("variance_of_codes", wide.var(0));
    }
    const std::optional<double> beta = at.beta();
    if (!hessian_sum_.defined()) return findings.undefined("active_directions", no_hessian_);
    if (!beta || *beta <= 0) return findings.undefined("active_directions", "there is no β");
    const Tensor hessian = hessian_sum_ / wide.size(0);
    if (!hessian.isfinite().all().item<bool>())
      return findings.undefined("active_directions", "H is not finite");
    const Tensor eigenvalues = at::linalg_eigvalsh(hessian).flip(0) / *beta;  // descending
    findings.number("active_directions", (eigenvalues > kActive).sum().item<double>());
    findings.array("eigenvalues_of_mean_hessian", eigenvalues);
  }

  void add_information(Measured& at, Findings& findings) const {
    constexpr int64_t kDraws = 1000;
    try {
      if (aggregate_.size() == 0) throw Unsupported(no_draws_);
      const auto log = aggregate_.densities(at.model(), kDraws,
                                            [&](int64_t done, int64_t all) { at.progress(done, all); });
      char size[96];
      std::snprintf(
          size, sizeof size, "; log %lld = %.2f; %lld draws", static_cast<long long>(aggregate_.size()),
          std::log(static_cast<double>(aggregate_.size())), static_cast<long long>(log.own.size(0)));
      findings.rows("mutual_information", log.own - log.aggregate);
      findings.detail("mutual_information", size);
      findings.rows("aggregate_kl", log.aggregate - log.prior);
    } catch (const Unsupported& lacks) {
      findings.undefined("mutual_information", lacks.what());
      findings.undefined("aggregate_kl", lacks.what());
    }
  }

  std::vector<Tensor> codes_, latent_kl_;
  Tensor hessian_sum_;
  bool is_closed_ = false;
  std::string no_hessian_, no_draws_, no_latent_kl_;
  AggregatePosterior aggregate_;
};

}  // namespace

}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Information>(
    "information", "What codes tell about data: active latents, divergence by latent, mutual information.",
    "Burda et al. 2016; Hoffman and Johnson, ELBO surgery, 2016; theory §8"))
