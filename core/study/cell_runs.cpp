// See cell_runs.h.

#include "study/cell_runs.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include <fmt/format.h>

#include "base/contents.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/retry.h"
#include "checkpoint/snapshot.h"
#include "config/difference.h"
#include "config/experiment.h"
#include "config/load.h"
#include "config/run_environment.h"
#include "config/text.h"

namespace variform::study {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

// Returns id and SHA-256 of the plugins that trained a run, on which a comparison of runs depends, too.
std::string plugins_of(const fs::path& run) {
  std::string text;
  if (const auto plugins = config::environment_of(run).plugins)
    for (const auto& plugin : *plugins) text += json(plugin.id).dump() + json(plugin.sha256).dump();
  return text;
}

}  // namespace

fs::path claims_of(const fs::path& runs) { return runs / ".claims"; }

std::string hash_of(const std::vector<std::string>& texts) {
  std::string lines;
  for (const std::string& text : texts) lines += text + '\n';
  return config::short_hash(lines);
}

std::string plain(double value) { return fmt::format("{:.10g}", value); }

std::string why_no_result(const fs::path& file, bool is_picture) {
  if (!base::is_there(file)) return "there is no " + file.string();
  try {
    if (!is_picture) {
      const base::JsonFile result(file);
      return result.root().members().empty() ? file.string() + " is empty" : "";
    }
    const std::string text = base::contents_of(file, base::kMostOfLog);
    const bool is_whole =
        text.starts_with("\x89PNG\r\n\x1a\n") && text.find("IEND", text.size() - 12) != text.npos;
    return is_whole ? "" : file.string() + " is not a complete picture";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

bool has_result(const fs::path& file, bool is_picture) { return why_no_result(file, is_picture).empty(); }

CellRuns::CellRuns(const Plan& plan, const std::vector<Cell>& cells, CellRunsOptions options)
    : plan_(plan), cells_(cells), options_(std::move(options)) {}

std::optional<Resolved> CellRuns::resolved(std::size_t cell) {
  const std::lock_guard lock(mutex_);
  if (const auto known = resolved_.find(cell); known != resolved_.end()) return known->second;
  for (const std::size_t need : cells_[cell].needs) {
    const auto before = resolved(need);
    if (!before || !fs::exists(run_of(*before) / "DONE") || is_foreign(run_of(*before))) return {};
  }
  const config::Node config = with_runs(plan_, cells_, cell, [&](std::size_t other) {
    return fs::absolute(run_of(*resolved(other))).lexically_normal().string();
  });
  return resolved_.emplace(cell, options_.resolve(config)).first->second;
}

fs::path CellRuns::run_of(const Resolved& resolved) const {
  const std::string seed = "-" + std::to_string(resolved.seed), suffix = "-" + resolved.hash + seed,
                    former = resolved.former_hash.empty() ? suffix : "-" + resolved.former_hash + seed;
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(options_.runs, none))
    if (const std::string name = entry.path().filename().string();
        (name.ends_with(suffix) || name.ends_with(former)) && !name.starts_with('.') &&
        fs::exists(entry.path() / "config.resolved.toml"))
      found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  for (const fs::path& run : found)
    if (foreign(run, resolved).empty()) return run;
  return options_.runs / (resolved.name + suffix);
}

// An edited file is not a foreign run: the checkpoint has the run's own config.
std::string CellRuns::foreign(const fs::path& run, const Resolved& resolved) const {
  const std::lock_guard lock(mutex_);
  if (const auto known = foreign_.find(run); known != foreign_.end()) return known->second;
  config::Diagnostics ignored;
  const config::Node own = config::parse(resolved.config, "the cell", ignored),
                     stored = config::parse_file((run / config::kResolvedConfig).string(), ignored);
  const auto identity = [&](const config::Node& config) {
    return config::parse(config::identity_text(config), "a config", ignored);
  };
  const auto difference_to = [&](const config::Node& config) -> std::vector<config::Difference> {
    if (config.members().empty()) return {};  // results alone, without a config
    return config::differences({identity(own), identity(config)});
  };
  const auto is_own_by_checkpoint = [&] {
    const fs::path file = run / "checkpoints" / "last.h5";
    if (!fs::is_regular_file(file)) return false;
    const checkpoint::Snapshot snapshot = checkpoint::read(file);
    const auto kept = snapshot.attributes.find("config");
    return kept != snapshot.attributes.end() &&
           difference_to(config::parse(kept->second, file.string(), ignored)).empty();
  };
  std::string why;
  if (const auto all = difference_to(stored); !all.empty() && !is_own_by_checkpoint())
    why = fmt::format(
        "the run {} has the hash and the seed of this cell ({}, {}), but another config: {} is {} there, and "
        "{} here. Nothing of it was used or changed. Move it away, or give this study another --runs.",
        run.string(), resolved.hash, resolved.seed, all[0].key, all[0].values[1].value_or("not given"),
        all[0].values[0].value_or("not given"));
  return foreign_.emplace(run, why).first->second;
}

bool CellRuns::is_foreign(const fs::path& run) const {
  const std::lock_guard lock(mutex_);
  const auto known = foreign_.find(run);
  return known != foreign_.end() && !known->second.empty();
}

std::vector<Step> CellRuns::steps_of(std::size_t index) const {
  const Cell& cell = cells_[index];
  std::vector<Step> steps;
  for (const Evaluation& evaluation : plan_.evaluations) {
    if (!is_for(evaluation, cell, plan_)) continue;
    std::vector<std::string> command{"evaluate"};
    command.insert(command.end(), evaluation.options.begin(), evaluation.options.end());
    for (const double epoch : evaluation.epochs) steps.push_back({evaluation.name, false, command, epoch});
    if (evaluation.at_end) steps.push_back({evaluation.name, false, command, {}});
  }
  for (const Drawing& drawing : plan_.drawings) {
    if (!is_for(drawing, cell, plan_)) continue;
    std::vector<std::string> command{drawing.command};
    command.insert(command.end(), drawing.options.begin(), drawing.options.end());
    steps.push_back({drawing.name, true, std::move(command), {}});
  }
  static constexpr double kEnd = HUGE_VAL;
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
    return a.epoch.value_or(kEnd) < b.epoch.value_or(kEnd);
  });
  return steps;
}

fs::path CellRuns::file_of(const fs::path& run, const Step& step) const {
  return run / "evaluations" /
         (hash_of(step.command) + "-" + (step.epoch ? "epoch-" + plain(*step.epoch) : std::string("end")) +
          (step.picture ? ".png" : ".json"));
}

std::string CellRuns::key_of(std::size_t cell, const Resolved& resolved) const {
  std::vector<std::string> files;
  for (const Step& step : steps_of(cell)) files.push_back(file_of({}, step).string());
  return resolved.key() + "-" + hash_of(files);
}

std::optional<CellRecord> CellRuns::record_of(std::size_t cell, const Resolved& resolved) const {
  auto record = read_record(options_.folder, cell);
  if (record && record->key != key_of(cell, resolved)) record.reset();
  return record;
}

bool CellRuns::is_done_by(const std::optional<CellRecord>& record) const {
  if (!record || !record->why_failed.empty()) return false;
  const fs::path run = options_.runs / record->run;
  return fs::exists(run / "DONE") && changed(run).empty();
}

std::string CellRuns::changed(const fs::path& run) const {
  if (options_.accept_changed_plugins || !options_.changed || !fs::exists(run)) return {};
  const std::lock_guard lock(mutex_);
  return options_.changed(run);
}

bool CellRuns::done(std::size_t cell, const fs::path& run) const {
  if (!fs::exists(run / "DONE") || is_foreign(run) || !changed(run).empty()) return false;
  const auto steps = steps_of(cell);
  return std::all_of(steps.begin(), steps.end(),
                     [&](const Step& step) { return has_result(file_of(run, step), step.picture); });
}

bool CellRuns::done(std::size_t cell) {
  const auto found = resolved(cell);
  return found && done(cell, run_of(*found));
}

std::vector<State> CellRuns::states() {
  std::vector<State> states;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    State state;
    const std::vector<Step> steps = steps_of(i);
    state.results = steps.size();
    if (const auto found = resolved(i)) {
      state.run = run_of(*found);
      state.stage = !changed(state.run).empty() ? State::Stage::kOtherPlugins
                    : done(i, state.run)        ? State::Stage::kDone
                    : fs::exists(state.run)     ? State::Stage::kPartly
                                                : State::Stage::kUntrained;
      if (state.stage != State::Stage::kOtherPlugins)
        state.results_done =
            static_cast<std::size_t>(std::count_if(steps.begin(), steps.end(), [&](const Step& step) {
              return has_result(file_of(state.run, step), step.picture);
            }));
    } else {
      state.stage = State::Stage::kWaiting;
    }
    states.push_back(std::move(state));
  }
  return states;
}

// Runs that were built on it come first, so that a study that is killed in between does not take them for valid ones.
void CellRuns::set_aside(std::size_t cell, const std::string& why) {
  for (std::size_t other = 0; other < cells_.size(); ++other)
    if (const auto& needs = cells_[other].needs; std::find(needs.begin(), needs.end(), cell) != needs.end())
      set_aside(other, "it builds on " + text_of(cells_[cell]));
  const std::lock_guard lock(mutex_);
  const auto found = resolved(cell);
  if (!found || !fs::exists(run_of(*found))) return;
  const fs::path run = run_of(*found);
  fs::path kept = run;
  kept += ".before-" + config::short_hash(plugins_of(run));
  for (int n = 2; fs::exists(kept); ++n) kept = fs::path(fmt::format("{}.before-{}", run.string(), n));
  if (base::retried([&] { return ::rename(run.c_str(), kept.c_str()); }) != 0)
    base::fail_on_file("rename", run, errno);
  options_.say(base::Level::kWarning, text_of(cells_[cell]) + " is made again: " + why +
                                          " The former run is kept in " + kept.string() + ".");
}

std::vector<Group> CellRuns::groups() {
  std::vector<Group> groups;
  for (const Comparison& comparison : plan_.comparisons) {
    std::map<std::string, Group> by_labels;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const Cell& cell = cells_[i];
      if (!is_for(comparison, cell, plan_) || !label_of(cell, comparison.over)) continue;
      std::string key = std::to_string(cell.stage);
      Group fresh{&comparison, cell.stage, {}, {}, {}, i};
      for (const auto& label : cell.labels) {
        if (label.first == comparison.over) continue;
        fresh.labels.push_back(label);
        key += "\n" + label.first + "=" + label.second;
      }
      Group& group = by_labels.try_emplace(key, std::move(fresh)).first->second;
      if (done(i)) group.runs.push_back(run_of(*resolved(i)).string());
      else group.is_complete = false;
    }
    for (auto& [key, group] : by_labels) {
      if (group.runs.size() < 2) continue;
      std::vector<std::string> identity = group.runs;
      for (const std::string& run : group.runs) identity.push_back(plugins_of(run));
      identity.insert(identity.end(), comparison.options.begin(), comparison.options.end());
      group.file = fs::path("comparisons") / (comparison.name + "-" + hash_of(identity) + ".json");
      groups.push_back(std::move(group));
    }
  }
  return groups;
}

void CellRuns::write_summary() {
  json summary = {{"name", plan_.name}, {"title", plan_.title}, {"cells", json::array()}};
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const auto found = resolved(i);
    json cell = {{"cell", i + 1}, {"stage", plan_.stages[cells_[i].stage].name}, {"labels", json::array()}};
    for (const auto& [axis, label] : cells_[i].labels) cell["labels"].push_back({axis, label});
    if (found && done(i, run_of(*found))) {
      const fs::path run = run_of(*found);
      cell["run"] = run.filename().string();
      cell["hash"] = found->hash;
      cell["seed"] = found->seed;
      cell["evaluations"] = cell["pictures"] = json::array();
      for (const Step& step : steps_of(i)) {
        json entry = {{"name", step.name}, {"file", file_of(run, step).lexically_relative(run).string()}};
        if (!step.picture) entry["epoch"] = step.epoch ? json(*step.epoch) : json("end");
        cell[step.picture ? "pictures" : "evaluations"].push_back(std::move(entry));
      }
    }
    summary["cells"].push_back(std::move(cell));
  }
  summary["comparisons"] = json::array();
  for (const Group& group : groups()) {
    json entry = {{"name", group.comparison->name},
                  {"over", group.comparison->over},
                  {"stage", plan_.stages[group.stage].name},
                  {"labels", json::array()},
                  {"file", group.file.string()}};
    for (const auto& [axis, label] : group.labels) entry["labels"].push_back({axis, label});
    if (fs::exists(options_.folder / group.file)) summary["comparisons"].push_back(std::move(entry));
  }
  base::make_folder_inside(options_.folder, options_.folder);
  base::write_text_file(options_.folder / "study.json", summary.dump(1) + "\n");
}

}  // namespace variform::study
