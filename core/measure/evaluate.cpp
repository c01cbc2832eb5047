// See evaluate.h. Metrics look at the rows batch by batch; what stands before and beside their numbers is said here.

#include "measure/evaluate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <stdexcept>

#include <fmt/format.h>

#include "base/file.h"
#include "checkpoint/snapshot.h"
#include "measure/metrics.h"
#include "measure/pass.h"
#include "model/session.h"

namespace variform::measure {
namespace {

using nlohmann::json;

// Returns a reason of this file as a sentence.
std::string sentence(const std::string& text) { return "not defined: " + text + "."; }

// The file of --dump: what was computed of each row.
class Dump {
 public:
  explicit Dump(const EvaluateOptions& options) : path_(options.dump) {}

  // Estimates its size: per row x, draws of q and of the importance weights with their values, some matrices.
  void require_writable(const EvaluateOptions& options, const Model& model, std::int64_t count) const {
    if (path_.empty()) return;
    const std::int64_t d = model.latent, numbers = c10::multiply_integers(model.data) +
                                                   (options.samples + options.importance_samples) * (d + 1) +
                                                   2 * d * d;
    const auto bytes = static_cast<std::uint64_t>(count * numbers) * model.options.dtype().itemsize();
    base::require_writable(path_, {.option = "--dump", .bytes = bytes});
  }

  // Keeps what is known of a batch.
  void add(Pass& pass) {
    if (path_.empty()) return;
    keep("x", [&] { return pass.batch().x; });
    keep("index", [&] { return pass.batch().context.index; });
    keep("labels", [&] { return pass.batch().context.labels; });
    keep("condition", [&] { return pass.batch().context.condition; });
    keep("mask", [&] { return pass.batch().context.mask; });
    keep("h", [&] { return pass.codes(); });
    keep("z", [&] { return pass.draws().z.transpose(0, 1); });
    keep("nll_of_draws", [&] { return pass.nll().transpose(0, 1); });
    keep("hessian", [&] { return pass.hessian(); });
    keep("covariance", [&] { return pass.covariance().dense(); });
  }

  // Writes it with the result, in which a failure is named: the values themselves are at hand.
  void write(const Metrics& metrics, json& result) const {
    if (path_.empty()) return;
    try {
      checkpoint::Snapshot snapshot;
      snapshot.attributes["evaluation"] = result.dump();
      for (const auto& [name, parts] : kept_) snapshot.tensors[name] = at::cat(parts);
      metrics.add_to(snapshot);
      checkpoint::write(snapshot, path_);
    } catch (const std::exception& error) {
      result["dump_problem"] = error.what();
    }
  }

 private:
  template <class Make>
  void keep(const char* name, const Make& make) {
    try {
      if (const Tensor tensor = make(); tensor.defined()) kept_[name].push_back(tensor.detach().to(at::kCPU));
    } catch (const Unsupported&) {  // then the dump does not have it
    }
  }

  const std::filesystem::path path_;
  std::map<std::string, std::vector<Tensor>> kept_;
};

class Evaluator {
 public:
  Evaluator(model::Session& session, const EvaluateOptions& options)
      : session_(session),
        options_(options),
        model_(session.assembly->model()),
        pass_(session, options_),
        metrics_(session, options_, pass_.size()),
        dump_(options_) {}

  json run() {
    const std::int64_t count = pass_.size();
    dump_.require_writable(options_, model_, count);
    const std::int64_t seen = add_batches(count, pass_.rows_at_a_time(options_.batch));
    json result = head(seen);
    if (seen < count) metrics_.stop(pass_, seen, result);
    else metrics_.finish(pass_, result);
    if (!result.contains("interrupted")) dump_.write(metrics_, result);
    return result;
  }

 private:
  // Returns the number of rows that were seen: all, or those before the batch in which the watch stopped it.
  std::int64_t add_batches(std::int64_t count, std::int64_t batch) {
    std::int64_t first = 0;
    const auto tell = [&](std::int64_t done) { base::tell(options_.watch, "values", done, count); };
    try {
      for (; first < count; first += batch) {
        const std::int64_t rows = std::min(batch, count - first);
        tell(first);
        pass_.begin(first, rows);
        metrics_.measure(pass_, [&](double share) {
          tell(first + static_cast<std::int64_t>(share * static_cast<double>(rows)));
        });
        dump_.add(pass_);
        if (first == 0) closed_kl_ = closed_kl();
      }
    } catch (const base::Interrupted&) {
      if (first == 0) throw;
      return first;
    }
    tell(count);
    return count;
  }

  std::optional<bool> closed_kl() {
    try {
      pass_.draws();
      return model_.has_closed_kl(*pass_.posterior(), pass_.batch().context);
    } catch (const Unsupported&) {
      return {};
    }
  }

  // Returns what the numbers are of, and depend on.
  json head(std::int64_t count) {
    json result = {
        {"split", pass_.split()},
        {"data", count},
        {"batch", pass_.rows_at_a_time(options_.batch)},
        {"samples", options_.samples},
        {"importance_samples", options_.importance_samples},
        {"step", model_.step()},
        {"curvature", to_string(options_.curvature)},
        {"gauss_newton", model_.decoder().piecewise_linear()
                             ? "all of the Hessian almost everywhere (the decoder is piecewise linear)"
                             : "an approximation of the Hessian"},
        {"posterior", "family " + model_.label(Kind::kFamily)},
        {"values", json::object()}};
    for (Kind kind : session_.assembly->kinds()) result["model"][to_string(kind)] = model_.label(kind);
    result["kl"] = closed_kl_ ? json(*closed_kl_ ? "closed" : "Monte Carlo") : json(nullptr);
    result["beta"] = pass_.beta() ? json(*pass_.beta()) : json(sentence(pass_.no_beta()));
    add_optimum(result);
    add_reference(result);
    const data::Dataset* const data = pass_.dataset();
    const std::int64_t all = pass_.size();
    if (all < pass_.split_size() && data != nullptr && data::are_of_one_class(*data, 0, all))
      result["one_class"] = fmt::format(
          "the first {} rows are all of one class: the file is sorted, and these values are of that class",
          all);
    return result;
  }

  // Adds within which structure optimal covariances were looked for, if they were.
  void add_optimum(json& result) const {
    const std::optional<Structure>& optimum = pass_.optimum_if_used();
    if (!optimum) return;
    const std::string& source = pass_.source_of_structure();
    result["structure"] = optimum->name();
    result["posterior_optimal"] =
        "Gaussian at the family's location with the covariance that is optimal for the decoder (" +
        optimum->name() + (source.empty() ? "" : ": " + source) +
        "; β = 1 for elbo and is_nll, the training β for loss_beta)";
  }

  // Adds β_eff, and the constant of a Gaussian likelihood (§2, §10).
  void add_reference(json& result) const {
    const std::optional<Tensor> variance = model_.likelihood().noise_variance();
    if (!variance) {
      result["beta_eff"] =
          sentence("likelihood " + model_.label(Kind::kLikelihood) + " has no reference variance");
      return;
    }
    const double value = variance->to(at::kDouble).mean().item<double>();
    if (pass_.beta()) result["beta_eff"] = *pass_.beta() * value;
    else result["beta_eff"] = sentence(pass_.no_beta());
    if (model_.likelihood().domain() == Domain::kReal)
      result["constant"] = 0.5 * pass_.values_per_row() * std::log(2 * std::numbers::pi * value);
  }

  model::Session& session_;
  const EvaluateOptions options_;
  Model& model_;
  Pass pass_;
  Metrics metrics_;
  Dump dump_;
  std::optional<bool> closed_kl_;
};

void require_sizes(const EvaluateOptions& options) {
  if (options.samples < 1 || options.importance_samples < 0 || options.batch < 1 || options.hessian_rows < 0)
    throw std::invalid_argument("an evaluation needs at least one sample and one row per batch.");
}

}  // namespace

nlohmann::json evaluate(model::Session& session, const EvaluateOptions& options) {
  require_sizes(options);
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  return Evaluator(session, options).run();
}

nlohmann::json evaluate_metrics(model::Session& session, const EvaluateOptions& options) {
  require_sizes(options);
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  Pass pass(session, options);
  Metrics metrics(session, options, pass.size(), /*only_these=*/true);
  metrics.measure_all(pass);
  json result = json::object();
  metrics.finish(pass, result);
  return result;
}

}  // namespace variform::measure
