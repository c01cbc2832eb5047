// See latent_order.h.

#include "model/latent_order.h"

#include <variform/ext/prior.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>

#include "model/rows.h"
#include "model/session.h"

namespace variform::model {

std::pair<Tensor, Tensor> scale_of_prior(Model& model) {
  const std::optional<Gaussian> prior = common_gaussian(model.prior());
  if (!prior) return {at::zeros({model.latent}, model.options), at::ones({model.latent}, model.options)};
  return {prior->mean[0].to(model.options), prior->covariance.variances()[0].sqrt().to(model.options)};
}

LatentOrder order_of_latents(Session& session, const std::string& split, std::int64_t limit) {
  constexpr std::int64_t kBatch = 250;
  const at::NoGradGuard no_grad;
  const EvaluationMode mode(*session.assembly);
  Model& model = session.assembly->model();
  Rows rows(session, split);
  const std::int64_t count = std::min(limit, rows.size());
  const auto [mean, deviation] = scale_of_prior(model);
  LatentOrder result;
  std::vector<Tensor> location, variance;
  for (std::int64_t first = 0; first < count; first += kBatch) {
    const Batch batch = rows.range(first, std::min(kBatch, count - first));
    const auto posterior = model.posterior(batch.x, batch.context);
    location.push_back(posterior->location());
    const std::optional<Covariance> covariance = posterior->covariance();
    result.is_kl = covariance.has_value();
    if (covariance) variance.push_back(covariance->variances());
  }
  const Tensor h = (at::cat(location) - mean) / deviation;
  Tensor score = h.var(0, /*unbiased=*/false);
  if (result.is_kl) {
    const Tensor v = at::cat(variance) / deviation.square();
    score = 0.5 * (h.square() + v - 1 - v.log()).mean(0);
  }
  score = score.to(at::kCPU, at::kDouble).nan_to_num(0).contiguous();
  result.contribution.assign(score.const_data_ptr<double>(), score.const_data_ptr<double>() + score.numel());
  result.order.resize(result.contribution.size());
  std::iota(result.order.begin(), result.order.end(), 0);
  std::stable_sort(result.order.begin(), result.order.end(), [&](std::int64_t a, std::int64_t b) {
    return result.contribution[static_cast<size_t>(a)] > result.contribution[static_cast<size_t>(b)];
  });
  return result;
}

}  // namespace variform::model
