// See estimators.h.

#include "measure/estimators.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace variform::measure {

LocalDerivatives local_derivatives(Model& model, ShortJacobian& short_jacobian, const Batch& batch,
                                   const Tensor& z, Curvature curvature) {
  // J of this many numbers, widened to float64, is still in the processor's cache when the products read it.
  constexpr int64_t kNumbers = int64_t{1} << 19;
  const int64_t each = model.latent * short_jacobian.size();
  const int64_t rows = z.is_cpu() ? std::clamp<int64_t>(kNumbers / each, 1, z.size(0)) : z.size(0);
  std::optional<Tensor> constant;  // H_ℓ = constant I, unless values are missing
  if (!batch.context.mask.defined()) constant = model.likelihood().isotropic_curvature();
  std::vector<Tensor> metrics, hessians;
  LocalDerivatives found;
  for (int64_t first = 0; first < z.size(0); first += rows) {
    const Tensor some = z.slice(0, first, first + rows);
    const Context context = batch.context.rows(first, some.size(0));
    if (auto metric = constant ? short_jacobian(model, some) : std::nullopt) {
      metrics.push_back(*std::move(metric));
      continue;
    }
    const Pushed pushed = model.pushforward(some, model.unit_tangents(some.size(0)), context);
    const Tensor jv = pushed.jv.to(at::kDouble);  // [d, B, n, data…]
    metrics.push_back(inner_products(jv));
    if (constant || !found.why.empty()) continue;
    try {
      hessians.push_back(model.likelihood().curvature_form(batch.x.slice(0, first, first + rows), pushed.g,
                                                           jv, curvature, context));
    } catch (const Unsupported& error) {
      found.why = "likelihood " + model.label(Kind::kLikelihood) + ", in curvature_form: " + error.what();
    }
  }
  found.metric = at::cat(metrics);
  if (constant) found.hessian = constant->to(at::kDouble) * found.metric;
  else if (found.why.empty()) found.hessian = at::cat(hessians);
  return found;
}

Tensor nll_of_draws(Model& model, const Batch& batch, const Tensor& z, const Between& between) {
  const Tensor& x = batch.x;
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
    parts.push_back(model.nll(x, model.decode(some, batch.context), batch.context).to(at::kDouble));
  }
  return at::cat(parts);
}

}  // namespace variform::measure
