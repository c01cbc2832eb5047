// See estimators.h.

#include "evaluate/estimators.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace variform::evaluate {

Tensor off_diagonal_share(const Tensor& hessian) {
  const Tensor scale = hessian.diagonal(0, 1, 2).abs();                                   // [B, d]
  const Tensor inverse = at::where(scale > 0, 1 / scale, 0.0);                            // of live latents
  const Tensor squares = hessian.square() * inverse.unsqueeze(1) * inverse.unsqueeze(2);  // [B, d, d]
  const Tensor all = squares.sum({1, 2});
  return at::where(all > 0, 1 - squares.diagonal(0, 1, 2).sum(1) / all, 0.0);
}

Tensor nll_of_draws(Model& model, const Tensor& x, const Tensor& z) {
  constexpr int64_t kNumbers = int64_t{1}
                               << 24;  // decoded at a time, about what hidden layers then need as well
  const int64_t width =
      std::max<int64_t>(512, x.numel() / std::max<int64_t>(1, x.size(0)) * model.likelihood().outputs());
  const int64_t chunk = std::max<int64_t>(1, kNumbers / std::max<int64_t>(1, x.size(0) * width));
  std::vector<Tensor> parts;
  for (const Tensor& some : z.split(chunk)) parts.push_back(model.nll(x, model.decode(some)).to(at::kDouble));
  return at::cat(parts);
}

Importance importance_weighted(Model& model, const Posterior& posterior, const Tensor& x, int64_t K) {
  const Draw draw = posterior.rsample(K, model.rng);
  const Tensor log_q = posterior.log_prob(draw).to(at::kDouble);
  const Tensor log_w =
      model.log_prior(draw.z).to(at::kDouble) - nll_of_draws(model, x, draw.z) - log_q;  // [K, B]
  const Tensor total = log_w.logsumexp(0);
  return {std::log(static_cast<double>(K)) - total, (2 * total - (2 * log_w).logsumexp(0)).exp(), draw.z};
}

}  // namespace variform::evaluate
