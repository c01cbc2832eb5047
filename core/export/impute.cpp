// See impute.h. The file has the checkpoint format, as that of the codes.

#include "export/impute.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/accumulate.h>

#include <variform/random.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "base/file.h"
#include "checkpoint/snapshot.h"
#include "model/rows.h"
#include "model/session.h"

namespace variform::exports {
namespace {

struct Imputed {
  Tensor mean, sd;   // [B, data…], on the model's scale
  Tensor effective;  // [B]
};

// Returns log w of draws, [K, B] float64; zeros where q has no density.
Tensor log_weights(Model& model, const Posterior& q, const Draw& draw, const Tensor& g, const Batch& batch) {
  try {
    const Tensor log_q = q.log_prob(draw).to(at::kDouble);
    return model.log_prior(draw.z, batch.context).to(at::kDouble) -
           model.nll(batch.x, g, batch.context).to(at::kDouble) - log_q;
  } catch (const Unsupported&) {
    return at::zeros({draw.z.size(0), draw.z.size(1)}, draw.z.options().dtype(at::kDouble));
  }
}

Imputed imputed(Model& model, const Batch& batch, std::int64_t draws) {
  const auto q = model.posterior(batch.x, batch.context);
  const Draw draw = q->rsample(draws, model.rng);
  const Tensor g = model.decode(draw.z, batch.context);
  const Tensor w = log_weights(model, *q, draw, g, batch).softmax(0);  // [K, B]
  const Tensor x = model.data_mean(g);                                 // [K, B, data…]
  Shape shape{w.size(0), w.size(1)};
  shape.resize(static_cast<size_t>(x.dim()), 1);
  const Tensor weight = w.reshape(shape), mean = (weight * x).sum(0);
  const Tensor variance = (weight * (x - mean).square()).sum(0);
  return {mean.to(x.scalar_type()), variance.sqrt().to(x.scalar_type()), w.square().sum(0).reciprocal()};
}

// Returns how many rows have K decoded draws of at most 128 MB in float32.
std::int64_t rows_at_a_time(const Model& model, std::int64_t draws) {
  constexpr std::int64_t kNumbers = std::int64_t{1} << 25;
  const std::int64_t each = draws * c10::multiply_integers(model.data) * model.likelihood().outputs();
  return std::clamp<std::int64_t>(kNumbers / each, 1, 256);
}

}  // namespace

double impute(model::Session& session, const std::filesystem::path& file, const ImputeOptions& options) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  Model& model = session.assembly->model();
  model::Rows rows(session, options.split);
  if (!rows.dataset() || !rows.dataset()->has_missing())
    throw std::runtime_error(
        "the split '" + rows.split() +
        "' lacks no values, so that there is nothing to impute; data with missing values need "
        "missing = \"mask\" in [data].");
  const std::uint64_t numbers =
      3 * static_cast<std::uint64_t>(rows.size() * c10::multiply_integers(model.data));
  base::require_writable(file, {.bytes = numbers * model.options.dtype().itemsize()});
  const std::int64_t at_once = rows_at_a_time(model, options.draws);
  std::vector<Tensor> x, sd, masks, effective;
  for (std::int64_t first = 0; first < rows.size(); first += at_once) {
    base::tell(options.watch, "imputed values", first, rows.size());
    const Batch batch = rows.range(first, std::min(at_once, rows.size() - first));
    model.rng.set_current_seed(
        hash(session.assembly->spec().seed, "impute", rows.split(), static_cast<std::uint64_t>(first)));
    const Imputed found = imputed(model, batch, options.draws);
    const Tensor& mask = batch.context.mask;
    x.push_back(model::unscaled(session, at::where(mask, batch.x, found.mean)).to(at::kCPU));
    const Tensor scale =
        model::unscaled(session, found.sd) - model::unscaled(session, at::zeros_like(found.sd));
    sd.push_back(scale.masked_fill(mask, 0).to(at::kCPU));
    masks.push_back(mask.to(at::kCPU, at::kByte));
    effective.push_back(found.effective.to(at::kCPU));
  }
  checkpoint::Snapshot snapshot;
  snapshot.attributes = {
      {"split", rows.split()}, {"model", session.experiment.name}, {"data", session.splits.name}};
  snapshot.tensors = {{"x", at::cat(x)},
                      {"sd", at::cat(sd)},
                      {"mask", at::cat(masks)},
                      {"effective", at::cat(effective)},
                      {"index", at::arange(rows.size(), at::kLong)}};
  checkpoint::write(snapshot, file);
  return snapshot.tensors.at("effective").mean().item<double>();
}

}  // namespace variform::exports
