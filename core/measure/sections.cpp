// See sections.h.

#include "measure/sections.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "measure/geometry.h"

namespace variform::measure {

void Gathered::keep_matrices(int64_t latent, int64_t batch) {
  constexpr int64_t kNumbers = int64_t{1} << 23;
  matrix_rows = std::max<int64_t>(1, kNumbers / (latent * latent * batch)) * batch;
}

void Gathered::add(const LocalDerivatives& local) {
  const int64_t rows = std::min(local.metric.size(0), matrix_rows - kept_rows);
  if (rows > 0) {
    metrics.push_back(local.metric.narrow(0, 0, rows).to(at::kCPU));
    if (local.hessian.defined()) hessians.push_back(local.hessian.narrow(0, 0, rows).to(at::kCPU));
    kept_rows += rows;
  }
  if (!local.hessian.defined()) return;
  const Tensor sum = local.hessian.sum(0).to(at::kCPU);
  hessian_sum = hessian_sum.defined() ? hessian_sum + sum : sum;
}

void Gathered::add(Model& model, std::unique_ptr<Posterior> posterior, const Draw& draw,
                   const std::optional<Gaussian>& prior) {
  if (no_latent_kl.empty()) try {
      if (!prior) throw Unsupported("the marginals of prior " + model.label(Kind::kPrior) + " are not known");
      const LatentKl found = measure::latent_kl(*posterior, draw, *prior);
      latent_kl.push_back(found.kl.to(at::kCPU));
      latent_kl_closed = found.closed;
    } catch (const Unsupported& error) {
      no_latent_kl = std::string("not defined: ") + error.what() + ".";
    }
  aggregate.add(std::move(posterior), draw.z[0]);
}

void Gathered::add(const Covariance& own, const Covariance& best) {
  const Tensor optimal = best.variances().to(at::kCPU);  // [B, d]
  const Tensor learned = own.variances().to(at::kCPU).expand_as(optimal);
  variance_ratios.push_back(learned / optimal);
  const auto d = static_cast<double>(optimal.size(1));
  to_optimum.push_back(
      (0.5 * (own.trace(best.precision()) - d - own.log_det() + best.log_det())).to(at::kCPU));
  const auto keep = [](Tensor& kept, const Tensor& more) {
    kept =
        kept.defined() ? at::cat({kept, more}).slice(0, 0, kVariances) : more.slice(0, 0, kVariances).clone();
  };
  if (learned_variances.defined() && learned_variances.size(0) == kVariances) return;
  keep(learned_variances, learned);
  keep(optimal_variances, optimal);
}

Section information_section(const Gathered& gathered, Model& model, const std::optional<double>& beta,
                            const base::Watch& watch) {
  Section section;
  const Tensor codes = at::cat(gathered.codes);
  add_activity(section, codes,
               gathered.hessian_sum.defined() ? gathered.hessian_sum / codes.size(0) : Tensor(), beta);
  const std::string what = "sum over latents of KL(q(z_i|x) ‖ p(z_i)), nats";
  if (!gathered.no_latent_kl.empty() || gathered.latent_kl.empty()) {
    section.undefined(
        "latent_kl",
        gathered.no_latent_kl.empty() ? "not defined: there are no draws of q." : gathered.no_latent_kl,
        what);
  } else {
    const Tensor kl = at::cat(gathered.latent_kl);
    section.values("latent_kl", kl.sum(1),
                   what + (gathered.latent_kl_closed ? ", in closed form" : ", entropies by Monte Carlo") +
                       "; less than kl where latents correlate");
    section.array("latent_kl", kl.mean(0));
  }
  if (gathered.aggregate.size() > 0) add_information(section, gathered.aggregate, model, watch);
  return section;
}

Section geometry_section(const Gathered& gathered, Model& model, const std::vector<int64_t>& blocks,
                         const Tensor& contrast, const std::string& no_jacobian, const base::Watch& watch) {
  constexpr int64_t kPairs = 16;
  Section section;
  if (gathered.metrics.empty()) {
    section.undefined("jacobian", no_jacobian, "J, of which the local geometry is made");
    return section;
  }
  const Tensor codes = at::cat(gathered.codes);
  const Manifold manifold{at::cat(gathered.metrics),
                          gathered.hessians.empty() ? Tensor() : at::cat(gathered.hessians),
                          active_latents(codes), blocks};
  const int64_t bad =
      manifold.metric.size(0) - manifold.metric.isfinite().flatten(1).all(1).sum().item<int64_t>();
  if (bad > 0) {
    section.undefined("jacobian", "not finite for " + std::to_string(bad) + " data.",
                      "J, of which the local geometry is made");
    return section;
  }
  section.number("data", static_cast<double>(manifold.metric.size(0)),
                 "data at whose codes J, the decoder's Jacobian, was taken");
  add_local_geometry(section, manifold);
  if (contrast.defined()) section.spread("contrast", contrast);  // its mean is one of the values
  const int64_t pairs = std::min<int64_t>(kPairs, codes.size(0) / 2);
  if (pairs == 0) return section;
  const Tensor order = at::rand({codes.size(0)}, model.rng, model.options).argsort();
  add_interpolations(section, model, codes.index_select(0, order.slice(0, 0, 2 * pairs)),
                     manifold.metric.mean(0), watch);
  return section;
}

Section covariance_section(const Gathered& gathered, const std::string& no_optimum) {
  Section section;
  const std::string ratio =
      "learned over optimal variance, Σ_ii/Σ*_ii (§4; the family's structure, training β): median over ";
  const char* distance = "KL(N(h, Σ) ‖ N(h, Σ*)), nats; β times it is what the optimum would gain";
  if (gathered.variance_ratios.empty()) {
    section.undefined("variance_ratio", no_optimum, ratio + "data and latents");
    section.undefined("kl_to_optimum", no_optimum, distance);
    return section;
  }
  const Tensor ratios = at::cat(gathered.variance_ratios);
  section.median("variance_ratio", ratios, ratio + "data and latents");
  const Tensor active = active_latents(at::cat(gathered.codes)).nonzero().squeeze(1);
  if (active.numel() > 0)
    section.median("variance_ratio_active", ratios.index_select(1, active),
                   ratio + "data and active latents");
  section.values("kl_to_optimum", at::cat(gathered.to_optimum), distance);
  section.spread("variance_ratio", ratios);
  section.array("learned_variances", gathered.learned_variances);
  section.array("optimal_variances", gathered.optimal_variances);
  return section;
}

}  // namespace variform::measure
