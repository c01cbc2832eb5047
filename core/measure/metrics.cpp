// See metrics.h.

#include "measure/metrics.h"

#include <ATen/ATen.h>

#include <variform/calls.h>
#include <variform/random.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include <variform/shuffle.h>
#include "base/caught_output.h"
#include "config/text.h"
#include "model/session.h"
#include "plugins/registry.h"

namespace variform::measure {

using nlohmann::json;

struct Metrics::Work {
  std::string name, label;
  std::shared_ptr<Metric> metric;  // null once it is finished: it may hold much
  KeptFindings findings;
  bool in_values;
  bool takes_all_rows = true, has_ended = false;
  double seconds = 0;  // of measure() until now
};

Chosen usual_metric(model::Session& session, const plugins::Registry& registry, const std::string& id) {
  config::Diagnostics problems;
  const config::GivenComponent given =
      config::parse_component(id, "metric", Kind::kMetric, registry, problems);
  if (!problems.empty())
    return {nullptr, id,
            "metric '" + id + "' is left out: " + problems.entries().front().message +
                " Ask for it with its parameters: --metric '{ type = \"" + id + "\", … }'."};
  const std::string label = registry.offer(Kind::kMetric, id, given.component.plugin).label();
  try {
    return {std::static_pointer_cast<Metric>(session.assembly->beside(given.component, registry)), label, {}};
  } catch (const std::exception& error) {
    return {nullptr, label, "metric " + label + " is left out: " + error.what()};
  }
}

namespace {

bool has_called(const std::string& label, const char* function, std::int64_t step, KeptFindings& findings,
                std::vector<std::string>& warnings, const std::function<void()>& call) {
  try {
    const KeptModes kept;
    const Calling calling("metric", label.c_str(), function, step);
    call();
    return true;
  } catch (const base::Interrupted&) {
    throw;
  } catch (const Unsupported& lacks) {
    findings.undefined_rest(lacks.what());
  } catch (const std::exception& error) {
    warnings.push_back("metric " + label + " failed: " + error.what());
    findings.undefined_rest("the metric failed: " + std::string(error.what()));
  }
  return false;
}

// Warns once of a metric that has printed to stdout, and quotes how that begins.
void tell_printed(const std::string& label, const char* function, const base::CaughtOutput& output,
                  std::vector<std::string>& warnings) {
  constexpr std::size_t kShown = 100;
  const std::string text = output.text(kShown), who = "metric " + label + " prints to stdout";
  if (text.empty() || std::any_of(warnings.begin(), warnings.end(),
                                  [&](const std::string& warning) { return warning.starts_with(who); }))
    return;
  warnings.push_back(who + ", in " + function +
                     ", which belongs to the command's result: " + config::quote(text) +
                     ". It was kept out of there; a metric may use variform::log, or throw an error.");
}

}  // namespace

bool call_metric(const std::string& label, const char* function, std::int64_t step, KeptFindings& findings,
                 std::vector<std::string>& warnings, const std::function<void()>& call) {
  const base::CaughtOutput output;
  const bool is_fine = has_called(label, function, step, findings, warnings, call);
  tell_printed(label, function, output, warnings);
  return is_fine;
}

Metrics::Metrics(model::Session& session, const EvaluateOptions& options, std::int64_t rows, bool only_these)
    : session_(session), options_(options), rows_(rows) {
  if (!options.registry) return;
  for (const config::ComponentSpec& spec : options.metrics) {
    const std::string label = options.registry->offer(Kind::kMetric, spec.type, spec.plugin).label();
    if (has(spec.type))
      throw Error("metric '" + spec.type + "' was asked for twice; an evaluation has it once");
    add(spec.type, label,
        std::static_pointer_cast<Metric>(session.assembly->beside(spec, *options.registry)));
  }
  if (!only_these) add_usual();
  // What takes long comes last: a stop then loses the least.
  const auto place = [](const auto& work) {
    return std::tuple(!work->in_values, work->metric->on_request(), work->name);
  };
  std::sort(work_.begin(), work_.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
}
Metrics::~Metrics() = default;

bool Metrics::has(const std::string& name) const {
  return std::any_of(work_.begin(), work_.end(), [&](const auto& work) { return work->name == name; });
}

// Builds the metric that an option of `evaluate` asks for, with the option's value.
std::shared_ptr<Metric> Metrics::asked(const std::string& id, const Shorthand& by) const {
  config::Diagnostics diagnostics;
  const std::string& value = options_.asked.at(by.option);
  const std::string text =
      by.parameter.empty() ? id : "{ type = \"" + id + "\", " + by.parameter + " = " + value + " }";
  const config::GivenComponent given =
      config::parse_component(text, "--" + by.option, Kind::kMetric, *options_.registry, diagnostics);
  diagnostics.throw_if_any();
  return std::static_pointer_cast<Metric>(session_.assembly->beside(given.component, *options_.registry));
}

// Adds those that need not be asked for, and those that options.asked asks for.
void Metrics::add_usual() {
  std::map<std::string, std::string> without_metric = options_.asked;
  for (const auto& work : work_)
    if (const auto by = work->metric->shorthand()) without_metric.erase(by->option);
  for (const std::string& id : options_.registry->ids(Kind::kMetric)) {
    if (has(id)) continue;
    const Chosen chosen = usual_metric(session_, *options_.registry, id);
    if (!chosen.metric) {
      warnings_.push_back(chosen.problem);
      continue;
    }
    const std::optional<Shorthand> by = chosen.metric->shorthand();
    if (by && options_.asked.contains(by->option)) {
      without_metric.erase(by->option);
      add(id, chosen.label, asked(id, *by));
    } else if (!chosen.metric->on_request() && !chosen.metric->quantities().empty()) {
      add(id, chosen.label, chosen.metric);
    }
  }
  if (!without_metric.empty())
    throw Error(
        "--" + without_metric.begin()->first +
        " asks for a metric that none of the plugins has; `variform list metric` names those that there are");
}

void Metrics::add(const std::string& name, const std::string& label, std::shared_ptr<Metric> metric) {
  metric->train(false);
  const std::int64_t most = metric->most_rows();
  KeptFindings findings(label, metric->quantities());
  if (!options_.dump.empty()) findings.keep_tensors();
  const bool in_values = metric->in_values(), all_rows = most <= 0 || most >= rows_;
  work_.push_back(
      std::make_unique<Work>(Work{name, label, std::move(metric), std::move(findings), in_values, all_rows}));
}

// A metric that lacks something, or that fails, has come to its end.
void Metrics::call(Work& work, const char* function, const std::function<void()>& step) {
  if (!work.has_ended)
    work.has_ended =
        !call_metric(work.label, function, session_.assembly->model().step(), work.findings, warnings_, step);
}

void Metrics::measure(Pass& pass, const Between& tell) {
  using Clock = std::chrono::steady_clock;
  double all = 0, before = 0;
  for (const auto& work : work_) all += work->seconds;
  for (const auto& work : work_) {
    if (!work->takes_all_rows) continue;
    const double weight = all > 0 ? work->seconds / all : 1 / static_cast<double>(work_.size());
    const Between share = [&](double done) {
      if (tell) tell(before + done * weight);
    };
    share(0);
    pass.tell_with(share);
    const auto start = Clock::now();
    call(*work, "measure", [&] { work->metric->measure(pass, work->findings); });
    work->seconds += std::chrono::duration<double>(Clock::now() - start).count();
    before += weight;
  }
  pass.tell_with({});
}

namespace {

// Takes the rows of a pass, batch by batch, as long as `look` wants more.
void take_batches(Pass& pass, const EvaluateOptions& options, const std::function<bool()>& look) {
  const std::int64_t batch = pass.rows_at_a_time(options.batch);
  for (std::int64_t first = 0; first < pass.size(); first += batch) {
    base::tell(options.watch, "codes", first, pass.size());
    pass.begin(first, std::min(batch, pass.size() - first));
    if (!look()) return;
  }
}

}  // namespace

void Metrics::measure_all(Pass& pass) {
  if (std::any_of(work_.begin(), work_.end(), [](const auto& work) { return work->takes_all_rows; }))
    take_batches(pass, options_, [&] {
      measure(pass);
      return true;
    });
}

// Draws the rows that the metric wants, without replacement, and shows it those.
void Metrics::pass_over_some(Work& work, const Pass& all) {
  std::vector<std::int64_t> rows = permutation(all.available(), hash(all.seed(work.name), "rows"));
  rows.resize(static_cast<std::size_t>(work.metric->most_rows()));
  std::sort(rows.begin(), rows.end());
  Pass pass(session_, options_, at::tensor(rows, at::kLong));
  take_batches(pass, options_, [&] {
    call(work, "measure", [&] { work.metric->measure(pass, work.findings); });
    return !work.has_ended;
  });
  pass.end(work.name);
  call(work, "finish", [&] { work.metric->finish(pass, work.findings); });
}

void Metrics::finish(Pass& pass, json& result) {
  std::size_t done = 0;
  result["metrics"] = json::array();
  try {
    for (; done < work_.size(); ++done) {
      Work& work = *work_[done];
      if (!work.takes_all_rows) pass_over_some(work, pass);
      else {
        pass.end(work.name);
        call(work, "finish", [&] { work.metric->finish(pass, work.findings); });
      }
      work.findings.undefined_rest("the metric reported nothing for it");
      report(work, pass.size(), result);
      work.metric.reset();
    }
  } catch (const base::Interrupted&) {
    if (result.size() == 1 && done == 0) throw;  // it has nothing else
    name_missing(result, pass.size(), pass.size(), done);
  }
  for (const std::string& warning : warnings_) result["warnings"].push_back(warning);
}

void Metrics::stop(const Pass& pass, std::int64_t rows, json& result) {
  for (const auto& work : work_)
    if (work->in_values) {
      work->findings.keep_first(rows);
      report(*work, rows, result);
    }
  name_missing(result, rows, pass.size(), 0);
  for (const std::string& warning : warnings_) result["warnings"].push_back(warning);
}

void Metrics::report(const Work& work, std::int64_t rows, json& result) const {
  if (work.in_values) return work.findings.add_to_values(result, rows);
  work.findings.add_to(result, work.name);
  result["metrics"].push_back(work.name);
}

// Names the sections that are missing when all but the first `done` metrics are.
void Metrics::name_missing(json& result, std::int64_t rows, std::int64_t all, std::size_t done) const {
  json& missing = result["interrupted"];
  missing = {{"data", rows}, {"of", all}, {"missing", json::array()}};
  for (; done < work_.size(); ++done)
    if (!work_[done]->in_values) missing["missing"].push_back(work_[done]->name);
}

void Metrics::add_to(checkpoint::Snapshot& snapshot) const {
  for (const auto& work : work_) {
    for (const auto& [name, batches] : work->findings.kept()) snapshot.tensors[name] = at::cat(batches);
    if (!work->in_values) continue;
    for (const auto& [name, values] : work->findings.values_of_rows())
      snapshot.tensors["terms/" + name] = values;
  }
}

}  // namespace variform::measure
