// See estimators.h.

#include "measure/estimators.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/accumulate.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

namespace variform::measure {

LocalDerivatives local_derivatives(Model& model, ShortJacobian& short_jacobian, const Tensor& x,
                                   const Tensor& z, Curvature curvature) {
  // J of this many numbers, widened to float64, is still in the processor's cache when the products read it.
  constexpr int64_t kNumbers = int64_t{1} << 19;
  const int64_t each = model.latent * short_jacobian.size();
  const int64_t rows = z.is_cpu() ? std::clamp<int64_t>(kNumbers / each, 1, z.size(0)) : z.size(0);
  const std::optional<Tensor> constant = model.likelihood().isotropic_curvature();  // H_ℓ = constant I
  std::vector<Tensor> metrics, hessians;
  LocalDerivatives found;
  for (int64_t first = 0; first < z.size(0); first += rows) {
    const Tensor some = z.slice(0, first, first + rows);
    if (auto metric = constant ? short_jacobian(model, some) : std::nullopt) {
      metrics.push_back(*std::move(metric));
      continue;
    }
    const Pushed pushed = model.pushforward(some, model.unit_tangents(some.size(0)));
    const Tensor jv = pushed.jv.to(at::kDouble);  // [d, B, n, data…]
    metrics.push_back(inner_products(jv));
    if (constant || !found.why.empty()) continue;
    try {
      hessians.push_back(model.likelihood().gram(x.slice(0, first, first + rows), pushed.g, jv, curvature));
    } catch (const Unsupported& error) {
      found.why = "likelihood " + model.label(Kind::kLikelihood) + ", in gram: " + error.what();
    }
  }
  found.metric = at::cat(metrics);
  if (constant) found.hessian = constant->to(at::kDouble) * found.metric;
  else if (found.why.empty()) found.hessian = at::cat(hessians);
  return found;
}

Tensor off_diagonal_share(const Tensor& matrices) {
  const Tensor scale = matrices.diagonal(0, 1, 2).abs(), inverse = at::where(scale > 0, 1 / scale, 0.0);
  const Tensor squares = matrices.square() * inverse.unsqueeze(1) * inverse.unsqueeze(2);
  const Tensor all = squares.sum({1, 2});
  return at::where(all > 0, (all - squares.diagonal(0, 1, 2).sum(1)) / all, 0.0);
}

Tensor full_hessian(Model& model, const Tensor& x, const Tensor& z) {
  if (!model.decoder().samplewise())
    throw Unsupported("decoder " + model.label(Kind::kDecoder) +
                      " mixes the rows of a batch, so that there is no Hessian per row");
  const at::AutoGradMode on(true);
  const Tensor here = z.detach().requires_grad_(true);
  const Tensor value = model.nll(x, model.decode(here));
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

Tensor nll_of_draws(Model& model, const Tensor& x, const Tensor& z, const Between& between) {
  // Numbers decoded at a time; hidden layers need about as much memory again. On a CPU fewer are a little faster and
  // take a fifth less memory.
  const int64_t numbers = int64_t{1} << (z.is_cpu() ? 20 : 24);
  const int64_t width =
      std::max<int64_t>(512, x.numel() / std::max<int64_t>(1, x.size(0)) * model.likelihood().outputs());
  const int64_t chunk = std::max<int64_t>(1, numbers / std::max<int64_t>(1, x.size(0) * width));
  std::vector<Tensor> parts;
  int64_t done = 0;
  for (const Tensor& some : z.split(chunk)) {
    if (between) between(static_cast<double>(done) / static_cast<double>(z.size(0)));
    done += some.size(0);
    parts.push_back(model.nll(x, model.decode(some)).to(at::kDouble));
  }
  return at::cat(parts);
}

Importance importance_weighted(Model& model, const Posterior& posterior, const Tensor& x, int64_t K,
                               const Between& between) {
  const Draw draw = posterior.rsample(K, model.rng);
  const Tensor log_q = posterior.log_prob(draw).to(at::kDouble);
  const Tensor log_w =
      model.log_prior(draw.z).to(at::kDouble) - nll_of_draws(model, x, draw.z, between) - log_q;  // [K, B]
  const Tensor total = log_w.logsumexp(0);
  return {std::log(static_cast<double>(K)) - total, (2 * total - (2 * log_w).logsumexp(0)).exp(), draw.z};
}

}  // namespace variform::measure
