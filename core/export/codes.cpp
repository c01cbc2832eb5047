// See codes.h. The file has the checkpoint format: sealed, written whole or not at all, and plain HDF5 for others.

#include "export/codes.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "base/file.h"
#include "checkpoint/snapshot.h"
#include "model/rows.h"
#include "model/session.h"

namespace variform::exports {
namespace {

using CodeParts = std::map<std::string, std::vector<Tensor>>;

void keep_part(CodeParts& parts, const char* name, const Tensor& tensor) {
  if (tensor.defined()) parts[name].push_back(tensor.detach().to(at::kCPU));
}

// Computes J at z, [B, P, d].
Tensor jacobian(Model& model, const Tensor& z, const Context& context) {
  if (!model.decoder().rows_independent())
    throw std::runtime_error("decoder " + model.label(Kind::kDecoder) +
                             " mixes the rows of a batch, so that there is no Jacobian per row.");
  const Pushed pushed = model.decoder().pushforward(z, model.unit_tangents(z.size(0)), context);
  return pushed.jv.flatten(2).permute({1, 2, 0}).contiguous();
}

void add_jacobians(CodeParts& parts, Model& model, const Tensor& h, const Context& context) {
  constexpr std::int64_t kNumbers = std::int64_t{1} << 25;
  std::int64_t values = model.latent * model.likelihood().outputs();
  for (std::int64_t side : model.data) values *= side;
  const std::int64_t at_once = std::max<std::int64_t>(1, kNumbers / values);
  for (std::int64_t first = 0; first < h.size(0); first += at_once) {
    const std::int64_t count = std::min(at_once, h.size(0) - first);
    keep_part(parts, "jacobians", jacobian(model, h.narrow(0, first, count), context.rows(first, count)));
  }
}

// Estimates the size of the file.
std::uint64_t bytes_of_codes(const Model& model, std::int64_t count, bool dense,
                             const EncodeOptions& options) {
  std::int64_t values = model.likelihood().outputs();
  for (std::int64_t side : model.data) values *= side;
  const std::int64_t d = model.latent,
                     numbers = count * (dense ? d + d * d : d) + options.jacobians * values * d;
  return static_cast<std::uint64_t>(numbers) * model.options.dtype().itemsize();
}

}  // namespace

std::vector<std::string> encode(model::Session& session, const std::filesystem::path& file,
                                const EncodeOptions& options) {
  constexpr std::int64_t kLargestCovariance = std::int64_t{2} << 30;  // bytes
  if (options.batch < 1 || options.jacobians < 0)
    throw std::invalid_argument("encode needs at least one row per batch.");
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  Model& model = session.assembly->model();
  model::Rows rows(session, options.split);
  const std::int64_t count = options.limit > 0 ? std::min(options.limit, rows.size()) : rows.size();
  const bool dense =
      count * model.latent * model.latent * static_cast<std::int64_t>(model.options.dtype().itemsize()) <=
      kLargestCovariance;

  base::require_writable(file, {.bytes = bytes_of_codes(model, count, dense, options)});
  CodeParts parts;
  bool has_covariance = true;
  for (std::int64_t first = 0; first < count; first += options.batch) {
    base::tell(options.watch, "codes", first, count);
    const Batch batch = rows.range(first, std::min(options.batch, count - first));
    const auto posterior = model.posterior(batch.x, batch.context);
    const Tensor h = posterior->location();
    keep_part(parts, "h", h);
    keep_part(parts, "index", batch.context.index);
    keep_part(parts, "labels", batch.context.labels);
    keep_part(parts, "condition", batch.context.condition);
    if (const data::Dataset* dataset = rows.dataset())
      keep_part(parts, "factors", dataset->gather_column(dataset->factors(), batch.context.index));
    keep_part(parts, "latents", rows.true_latents(first, h.size(0)));
    const std::optional<Covariance> covariance = posterior->covariance();
    has_covariance = covariance.has_value();
    if (covariance) keep_part(parts, "variances", covariance->variances().to(h.scalar_type()));
    if (covariance && dense) keep_part(parts, "covariance", covariance->dense().to(h.scalar_type()));
    if (first < options.jacobians)
      add_jacobians(parts, model, h.narrow(0, 0, std::min(h.size(0), options.jacobians - first)),
                    batch.context);
  }

  checkpoint::Snapshot snapshot;
  snapshot.attributes = {
      {"split", rows.split()}, {"model", session.experiment.name}, {"data", session.splits.name}};
  for (auto& [name, tensors] : parts) {
    snapshot.tensors[name] = at::cat(tensors);
    tensors.clear();
  }
  checkpoint::write(snapshot, file);

  std::vector<std::string> notes;
  if (!has_covariance)
    notes.push_back("the posterior of family " + model.label(Kind::kFamily) +
                    " has no covariance; h alone was written.");
  else if (!dense)
    notes.push_back("dense covariances would exceed 2 GiB; their diagonals (variances) were written.");
  if (options.jacobians > count)
    notes.push_back(
        fmt::format("Jacobians of {} rows were asked for, but there are {}.", options.jacobians, count));
  return notes;
}

}  // namespace variform::exports
