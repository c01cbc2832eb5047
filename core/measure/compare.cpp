// See compare.h.

#include "measure/compare.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "measure/evaluate.h"
#include "measure/findings.h"
#include "measure/metrics.h"
#include "model/latent_order.h"
#include "model/rows.h"
#include "model/session.h"
#include "plugins/registry.h"

namespace variform::measure {
namespace {

using nlohmann::json;

constexpr std::int64_t kComparisonBatch = 500;
constexpr double kInformative = 0.01;  // nats (Duan et al. 2020)

// Returns the codes of a run's rows. `before`: rows of the earlier runs, out of `all`, for progress.
Tensor codes_of(model::Session& session, model::Rows& rows, std::int64_t count, const base::Watch& watch,
                std::int64_t before, std::int64_t all) {
  const model::EvaluationMode mode(*session.assembly);
  Model& model = session.assembly->model();
  std::optional<model::Rows> own;  // the same rows with this run's condition and mask
  if (session.facts.condition.size > 0 || session.facts.has_missing) own.emplace(session, rows.split());
  std::vector<Tensor> parts;
  for (std::int64_t first = 0; first < count; first += kComparisonBatch) {
    base::tell(watch, "codes", before + first, all);
    const std::int64_t some = std::min(kComparisonBatch, count - first);
    const Tensor x = rows.range(first, some).x.to(model.options);
    const Context context = own ? own->range(first, some).context : Context{};
    parts.push_back(model.posterior(x, context)->location().to(at::kCPU, at::kDouble));
  }
  return at::cat(parts);
}

Tensor informative_latents(model::Session& session, const std::string& split) {
  return at::tensor(model::order_of_latents(session, split).contribution, at::kDouble) > kInformative;
}

std::string quoted(const std::string& name) { return "'" + name + "'"; }

void require_runs(const std::vector<ComparedRun>& runs) {
  if (runs.size() < 2)
    throw std::invalid_argument(fmt::format("a comparison needs two runs or more, found {}.", runs.size()));
}

// Returns how many of the first `count` rows differ: in their stored values where reading them adds noise, else in what
// the models see (up to the rounding of another precision).
std::int64_t rows_that_differ(model::Rows& rows, model::Rows& others, std::int64_t count) {
  const auto of = [&](model::Rows& from, bool stored, std::int64_t first, std::int64_t n) {
    const Tensor x = stored ? from.dataset()->stored_rows(at::arange(first, first + n, at::kLong))
                            : from.range(first, n).x;
    return x.to(at::kCPU, at::kDouble).flatten(1);
  };
  const auto is_noisy = [](model::Rows& from) { return from.dataset() && from.dataset()->needs_generator(); };
  const bool noisy = is_noisy(rows);
  if (noisy != is_noisy(others)) return count;
  constexpr std::int64_t kAtOnce = 1024;
  constexpr double kRounding = 1e-6;
  std::int64_t different = 0;
  for (std::int64_t first = 0; first < count; first += kAtOnce) {
    const std::int64_t n = std::min(kAtOnce, count - first);
    const Tensor same =
        at::isclose(of(rows, noisy, first, n), of(others, noisy, first, n), kRounding, kRounding);
    different += n - same.all(1).sum().item<std::int64_t>();
  }
  return different;
}

// Throws unless the two runs' data have the same values, whatever their names.
void require_same_data(const ComparedRun& first, model::Rows& rows, const ComparedRun& run,
                       std::int64_t count) {
  const auto refuse = [&](const std::string& difference) {
    const auto described = [](const ComparedRun& one) {
      const std::string& data = one.session->splits.name;
      return quoted(one.name) + " was trained on " + quoted(data) + " " +
             to_text(one.session->assembly->model().data);
    };
    throw std::invalid_argument("runs are compared on the same data, but " + described(first) + " and " +
                                described(run) + difference + "; compare runs with one and the same [data].");
  };
  if (run.session->assembly->model().data != first.session->assembly->model().data) refuse("");
  std::unique_ptr<model::Rows> others;
  try {
    others = std::make_unique<model::Rows>(*run.session, rows.split());
  } catch (const std::runtime_error&) {
    refuse(", which has no split '" + rows.split() + "'");
  }
  if (others->size() < count)
    refuse(fmt::format(", where the split '{}' has {} rows, not {}", rows.split(), others->size(), count));
  if (const std::int64_t different = rows_that_differ(rows, *others, count))
    refuse(fmt::format(", whose values differ in {} of the first {} rows of split '{}'", different, count,
                       rows.split()));
}

// What metrics are shown.
class Codes final : public Compared {
 public:
  Codes(const std::vector<ComparedRun>& compared, const base::Watch& watch)
      : runs_(compared), watch_(watch) {}

  void add(Tensor codes, Tensor informative) {
    codes_.push_back(std::move(codes));
    informative_.push_back(std::move(informative));
  }
  void set_truth(const Tensor& truth) {
    if (truth.defined()) truth_ = truth.to(at::kCPU, at::kDouble);
  }

  std::int64_t runs() const override { return static_cast<std::int64_t>(runs_.size()); }
  std::string name(std::int64_t run) const override { return runs_[static_cast<std::size_t>(run)].name; }
  Tensor codes(std::int64_t run) override { return codes_[static_cast<std::size_t>(run)]; }
  Tensor informative(std::int64_t run) override { return informative_[static_cast<std::size_t>(run)]; }
  Tensor true_latents() override { return truth_; }
  void progress(std::int64_t done, std::int64_t all) override { base::tell(watch_, "pairs", done, all); }

 private:
  const std::vector<ComparedRun>& runs_;
  const base::Watch& watch_;
  std::vector<Tensor> codes_, informative_;
  Tensor truth_;
};

// Puts the sections of all metrics that compare into the result. When the watch stops it, what is complete stays.
void compare_by_metrics(model::Session& first, const CompareOptions& options, Codes& codes, json& result) {
  result["metrics"] = json::array();
  for (const std::string& id :
       options.registry ? options.registry->ids(Kind::kMetric) : std::vector<std::string>{}) {
    const Chosen chosen = usual_metric(first, *options.registry, id);
    if (!chosen.metric) {
      result["warnings"].push_back(chosen.problem);
      continue;
    }
    if (chosen.metric->comparisons().empty()) continue;
    KeptFindings findings(chosen.label, chosen.metric->comparisons());
    std::vector<std::string> warnings;
    try {
      call_metric(chosen.label, "compare", first.assembly->model().step(), findings, warnings,
                  [&] { chosen.metric->compare(codes, findings); });
      findings.undefined_rest("the metric reported nothing for it");
    } catch (const base::Interrupted&) {
      if (result.at("metrics").empty() && findings.is_empty()) throw;
      result["interrupted"] = true;
    }
    for (const std::string& warning : warnings) result["warnings"].push_back(warning);
    if (!findings.is_empty()) {
      findings.add_to(result, id);
      result["metrics"].push_back(id);
    }
    if (result.contains("interrupted")) break;
  }
}

}  // namespace

json compare(const std::vector<ComparedRun>& runs, const CompareOptions& options) {
  require_runs(runs);
  const at::NoGradGuard no_grad;
  model::Session& first = *runs[0].session;
  model::Rows rows(first, options.split);
  const std::int64_t count = options.limit > 0 ? std::min(options.limit, rows.size()) : rows.size();
  if (count < 2)
    throw std::invalid_argument(fmt::format("a comparison needs two rows or more, found {}.", count));
  Codes codes(runs, options.watch);
  json informative = json::array();
  for (const ComparedRun& run : runs) {
    const auto done = static_cast<std::int64_t>(informative.size());
    require_same_data(runs[0], rows, run, count);
    const Tensor own = informative_latents(*run.session, rows.split());
    informative.push_back(own.sum().item<std::int64_t>());
    codes.add(codes_of(*run.session, rows, count, options.watch, count * done,
                       count * static_cast<std::int64_t>(runs.size())),
              own);
  }
  codes.set_truth(rows.true_latents(0, count));
  json result;
  compare_by_metrics(first, options, codes, result);
  result["informative"] = informative;
  for (const ComparedRun& run : runs) {
    result["runs"].push_back(run.name);
    result["latents"].push_back(run.session->assembly->model().latent);
  }
  const json& latents = result.at("latents");
  if (std::all_of(latents.begin(), latents.end(), [&](const json& each) { return each == latents[0]; }))
    result["latent"] = latents[0];
  result["data"] = first.splits.name;
  result["split"] = rows.split();
  result["rows"] = count;
  return result;
}

base::Table table_of_runs(const json& comparison) {
  std::vector<base::Table::Column> columns{{"run"}, {"informative latents", base::Align::kRight}};
  std::vector<const json*> values;  // one value per run
  for (const json& metric : comparison.at("metrics")) {
    const auto section = metric.get<std::string>(), arrays = section + "_arrays";
    if (!comparison.contains(arrays)) continue;
    for (const auto& [name, entry] : comparison.at(section).items()) {
      const auto found = comparison.at(arrays).find(name + "_of_runs");
      if (found == comparison.at(arrays).end()) continue;
      columns.push_back({name, base::Align::kRight});
      values.push_back(&*found);
    }
  }
  base::Table table(columns);
  for (std::size_t run = 0; run < comparison.at("runs").size(); ++run) {
    std::vector<std::string> row{comparison.at("runs")[run].get<std::string>(),
                                 comparison.at("informative")[run].dump()};
    for (const json* of_runs : values)
      row.push_back((*of_runs)[run].is_number() ? base::significant((*of_runs)[run].get<double>(), 4) : "–");
    table.add(row);
  }
  return table;
}

std::string text_of_comparison(const json& comparison, std::size_t width) {
  std::string text;
  if (!comparison.contains("interrupted")) text = table_of_runs(comparison).text(width);
  for (const json& metric : comparison.at("metrics")) {
    const auto section = metric.get<std::string>();
    text += (text.empty() ? "" : "\n") + text_of_section(comparison, section, width);
  }
  return text;
}

}  // namespace variform::measure
