// See information.h.

#include "measure/information.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numbers>

namespace variform::measure {

Tensor active_latents(const Tensor& codes) {
  const Tensor wide = codes.to(at::kCPU, at::kDouble);
  if (wide.size(0) < 2) return at::zeros({wide.size(1)}, at::kBool);
  return wide.var(0) > kActive;
}

// ------------------------------------------------------------------------------------------ aggregate posterior

void AggregatePosterior::add(std::unique_ptr<Posterior> posterior, const Tensor& z) {
  parts_.push_back({std::move(posterior), z});
  size_ += z.size(0);
}

AggregatePosterior::Densities AggregatePosterior::densities(Model& model, int64_t draws,
                                                            const base::Watch& watch) const {
  constexpr int64_t kNumbers = int64_t{1} << 18;  // coordinates of z at a time, against a batch of posteriors
  constexpr double kNothing = 80;  // exp(−80) adds nothing to 1; far below it, LibTorch's exp is slow
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
                  wide(model.log_prior(z.squeeze(1)))};
  int64_t done = 0;
  for (const Part& part : parts_) {
    base::tell(watch, "information", done, size_);
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

void add_information(Section& section, const AggregatePosterior& aggregate, Model& model,
                     const base::Watch& watch) {
  constexpr int64_t kDraws = 1000;
  char most[32];
  std::snprintf(most, sizeof most, "%.2f", std::log(static_cast<double>(aggregate.size())));
  const std::string n = std::to_string(aggregate.size());
  const std::string information = "I(x; z) of " + n + " data, nats: at most log " + n + " = " + most +
                                  ", near it too low (Hoffman and Johnson 2016)";
  const std::string divergence =
      "KL(q(z) ‖ p(z)), nats, q(z) the mixture of all their posteriors: kl − mutual_information";
  try {
    const auto log = aggregate.densities(model, kDraws, watch);
    const std::string draws = "; " + std::to_string(log.own.size(0)) + " draws";
    section.values("mutual_information", log.own - log.aggregate, information + draws);
    section.values("aggregate_kl", log.aggregate - log.prior, divergence);
  } catch (const Unsupported& error) {
    const std::string reason = std::string("not defined: ") + error.what();
    section.undefined("mutual_information", reason, information);
    section.undefined("aggregate_kl", reason, divergence);
  }
}

// ------------------------------------------------------------------------------------------- latent by latent

LatentKl latent_kl(const Posterior& posterior, const Draw& draw, const Gaussian& prior) {
  constexpr double kTwoPi = 2 * std::numbers::pi;
  const std::optional<Covariance> given = posterior.covariance();
  if (!given)
    throw Unsupported("the posterior has no covariance, so that no latent's cross-entropy is known");
  const Covariance covariance = given->to(at::kDouble);
  const Tensor variances = covariance.variances();                  // [B, d]
  const Tensor own = prior.covariance.to(at::kDouble).variances();  // [1, d]
  const Tensor off = (posterior.location() - prior.mean).to(at::kDouble);
  const Tensor cross = 0.5 * ((kTwoPi * own).log() + (variances + off.square()) / own);
  const auto d = static_cast<double>(variances.size(1));
  if (const std::optional<Tensor> entropy = posterior.entropy()) {
    const Tensor gaussian = 0.5 * (d * std::log(kTwoPi * std::numbers::e) + covariance.log_det());
    const bool closed = (gaussian - *entropy).abs().max().item<double>() < 1e-5 * d;
    if (closed) return {cross - 0.5 * (kTwoPi * std::numbers::e * variances).log(), true};
  }
  return {cross + posterior.marginals(draw).to(at::kDouble).mean(0), false};
}

void add_activity(Section& section, const Tensor& codes, const Tensor& hessian, std::optional<double> beta) {
  const std::string units = "latents whose code varies over data: Var(h_i) > 0.01 (Burda et al. 2016)";
  const std::string directions =
      "eigenvalues of E[H]/β above 0.01: the same however latents are rotated (§8)";
  const Tensor wide = codes.to(at::kCPU, at::kDouble);
  if (wide.size(0) < 2) section.undefined("active_units", "not defined: one row has no variance.", units);
  else {
    section.number("active_units", active_latents(codes).sum().item<double>(), units);
    section.array("variance_of_codes", wide.var(0));
  }
  if (!hessian.defined() || !beta || *beta <= 0)
    return section.undefined("active_directions",
                             std::string("not defined: there is no ") + (hessian.defined() ? "β." : "H."),
                             directions);
  if (!hessian.isfinite().all().item<bool>())
    return section.undefined("active_directions", "not finite.", directions);
  const Tensor eigenvalues = at::linalg_eigvalsh(hessian.to(at::kCPU)).flip(0) / *beta;  // descending
  section.number("active_directions", (eigenvalues > kActive).sum().item<double>(), directions);
  section.array("eigenvalues_of_mean_hessian", eigenvalues);
}

}  // namespace variform::measure
