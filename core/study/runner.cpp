// See runner.h.

#include "study/runner.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <chrono>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "config/file.h"
#include "config/text.h"
#include "study/process.h"

namespace variform::study {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr const char* kWasDone = "was done";

class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

std::string hash_of(const std::vector<std::string>& texts) {
  std::string lines;
  for (const std::string& text : texts) lines += text + '\n';
  return config::short_hash(lines);
}

std::string plain(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

std::string contents_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Id and SHA-256 of the plugins that trained a run: what a comparison of runs depends on, too.
std::string plugins_of(const fs::path& run) {
  const json environment =
      json::parse(contents_of(run / "environment.json"), nullptr, /*allow_exceptions=*/false);
  std::string text;
  if (!environment.is_object() || !environment.contains("plugins")) return text;
  for (const json& plugin : environment.at("plugins"))
    if (plugin.is_object()) text += plugin.value("id", json()).dump() + plugin.value("sha256", json()).dump();
  return text;
}

std::string last_lines(const fs::path& file, std::size_t bytes) {
  const std::string text = contents_of(file);
  return text.size() > bytes ? "…" + text.substr(text.size() - bytes) : text;
}

std::string number_of(std::size_t cell) {
  std::string text = std::to_string(cell + 1);
  return std::string(text.size() < 3 ? 3 - text.size() : 0, '0') + text;
}

}  // namespace

Runner::Runner(const Plan& plan, const std::vector<Cell>& cells, RunnerOptions options)
    : plan_(plan), cells_(cells), options_(std::move(options)) {}

// ------------------------------------------------------------------------------------------------- what is on disk

// Nothing while a run that the cell builds on is not there.
std::optional<Resolved> Runner::resolved(std::size_t cell) {
  const std::lock_guard lock(mutex_);
  if (const auto known = resolved_.find(cell); known != resolved_.end()) return known->second;
  for (const std::size_t need : cells_[cell].needs) {
    const auto before = resolved(need);
    if (!before || !fs::exists(run_of(*before) / "DONE")) return {};
  }
  const config::Node config = with_runs(plan_, cells_, cell, [&](std::size_t other) {
    return fs::absolute(run_of(*resolved(other))).lexically_normal().string();
  });
  return resolved_.emplace(cell, options_.resolve(config)).first->second;
}

// Another study's run of the same config and seed will do, whatever it is called.
fs::path Runner::run_of(const Resolved& resolved) const {
  const std::string suffix = "-" + resolved.hash + "-" + std::to_string(resolved.seed);
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(options_.runs, none))
    if (const std::string name = entry.path().filename().string();
        name.ends_with(suffix) && !name.starts_with('.') && fs::exists(entry.path() / "config.resolved.toml"))
      found.push_back(entry.path());
  if (found.empty()) return options_.runs / (resolved.name + suffix);
  return *std::min_element(found.begin(), found.end());
}

std::vector<Runner::Step> Runner::steps_of(const Cell& cell) const {
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

fs::path Runner::file_of(const fs::path& run, const Step& step) const {
  return run / "evaluations" /
         (hash_of(step.command) + "-" + (step.epoch ? "epoch-" + plain(*step.epoch) : std::string("end")) +
          (step.picture ? ".png" : ".json"));
}

// Why a run's results are of other code than what would be made now; empty if they are not.
std::string Runner::changed(const fs::path& run) const {
  if (options_.accept_changed_plugins || !options_.changed || !fs::exists(run)) return {};
  const std::lock_guard lock(mutex_);
  return options_.changed(run);
}

bool Runner::done(const Cell& cell, const fs::path& run) const {
  if (!fs::exists(run / "DONE") || !changed(run).empty()) return false;
  const auto steps = steps_of(cell);
  return std::all_of(steps.begin(), steps.end(),
                     [&](const Step& step) { return fs::exists(file_of(run, step)); });
}

std::vector<State> Runner::states() {
  std::vector<State> states;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    State state;
    const std::vector<Step> steps = steps_of(cells_[i]);
    state.results = steps.size();
    if (const auto found = resolved(i)) {
      state.run = run_of(*found);
      state.stage = !changed(state.run).empty()  ? State::Stage::kOtherPlugins
                    : done(cells_[i], state.run) ? State::Stage::kDone
                    : fs::exists(state.run)      ? State::Stage::kPartly
                                                 : State::Stage::kUntrained;
      if (state.stage != State::Stage::kOtherPlugins)
        state.results_done =
            static_cast<std::size_t>(std::count_if(steps.begin(), steps.end(), [&](const Step& step) {
              return fs::exists(file_of(state.run, step));
            }));
    } else {
      state.stage = State::Stage::kWaiting;
    }
    states.push_back(std::move(state));
  }
  return states;
}

// ------------------------------------------------------------------------------------------------- one cell

void Runner::execute(std::size_t cell, const std::vector<std::string>& arguments) {
  std::vector<std::string> command{options_.program.string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  for (const std::string& argument : options_.arguments) command.push_back(argument);
  command.insert(command.end(), {"--runs", options_.runs.string()});
  const std::int64_t threads = options_.jobs > 1 ? 1 : options_.threads;
  if (threads > 0) command.insert(command.end(), {"--threads", std::to_string(threads)});
  const fs::path log = options_.folder / "logs" / (number_of(cell) + ".txt");
  fs::create_directories(log.parent_path());
  const Exit exit = study::execute(command, log, options_.interrupted);
  if (exit.interrupted) throw Interrupted();
  if (exit.code != 0)
    throw std::runtime_error("`" + arguments[0] + "` ended with exit code " + std::to_string(exit.code) +
                             "; the end of " + log.string() + ":\n" + last_lines(log, 600));
}

void Runner::train(std::size_t cell, const fs::path& run, const std::vector<std::string>& more) {
  const fs::path config = options_.folder / "cells" / (number_of(cell) + ".toml");
  std::vector<std::string> arguments{"train", config.string(), "--folder", run.string(), "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  if (options_.accept_changed_plugins) arguments.emplace_back("--accept-changed-plugins");
  if (options_.no_check) arguments.emplace_back("--no-check");
  execute(cell, arguments);
}

// Has a command write `file`, whole or not at all.
void Runner::produce(std::size_t cell, const fs::path& file, std::vector<std::string> arguments) {
  fs::path fresh = file;
  fresh += ".new";
  fs::create_directories(file.parent_path());
  arguments.insert(arguments.end(), {"--out", fresh.string(), "--quiet"});
  execute(cell, arguments);
  fs::rename(fresh, file);
}

void Runner::execute(std::size_t cell, const fs::path& run, const Step& step) {
  std::vector<std::string> arguments = step.command;
  arguments.insert(arguments.begin() + 1, run.string());
  produce(cell, file_of(run, step), std::move(arguments));
}

// Keeps a run of other plugins under another name, where no study looks for it, and what was built on it too: first of
// all, so that a study that is killed does not take it for one that fits.
void Runner::set_aside(std::size_t cell, const std::string& why) {
  for (std::size_t other = 0; other < cells_.size(); ++other)
    if (const auto& needs = cells_[other].needs; std::find(needs.begin(), needs.end(), cell) != needs.end())
      set_aside(other, "it builds on " + text_of(cells_[cell]));
  const std::lock_guard lock(mutex_);
  const auto found = resolved(cell);
  if (!found || !fs::exists(run_of(*found))) return;
  const fs::path run = run_of(*found);
  fs::path kept = run;
  kept += ".before-" + config::short_hash(plugins_of(run));
  for (int n = 2; fs::exists(kept); ++n) kept = fs::path(run.string() + ".before-" + std::to_string(n));
  fs::rename(run, kept);
  options_.say("warning: " + text_of(cells_[cell]) + " is made again: " + why +
               " What there was is kept in " + kept.string() + ".");
}

// Trains as far as the next evaluation asks, evaluates, and so on; returns what it did.
std::string Runner::work(std::size_t cell) {
  const auto found = resolved(cell);
  if (!found) throw std::runtime_error("a run that it builds on is missing");
  for (const std::size_t need : cells_[cell].needs)
    if (!changed(run_of(*resolved(need))).empty())
      throw std::runtime_error("the run that it builds on, " + text_of(cells_[need]) +
                               ", was trained with other plugins; do cell " + std::to_string(need + 1) +
                               " first");
  if (const std::string why = changed(run_of(*found)); !why.empty()) set_aside(cell, why);
  const fs::path run = run_of(*found);
  if (done(cells_[cell], run)) return kWasDone;
  const fs::path config = options_.folder / "cells" / (number_of(cell) + ".toml");
  fs::create_directories(config.parent_path());
  config::write_text_file(config, found->config);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Step> steps = steps_of(cells_[cell]);
  // Evaluations along the training that a finished run lacks need the training again: it is the same bit for bit.
  const auto lacks = [&](const Step& step) { return step.epoch && !fs::exists(file_of(run, step)); };
  if (fs::exists(run / "DONE") && std::any_of(steps.begin(), steps.end(), lacks))
    train(cell, run, {"--overwrite", "--stop-at", "0"});
  for (const Step& step : steps) {
    if (fs::exists(file_of(run, step))) continue;
    if (step.epoch) train(cell, run, {"--resume", "--stop-at-epoch", plain(*step.epoch)});
    else if (!fs::exists(run / "DONE")) train(cell, run, {"--resume", "--model-only"});
    execute(cell, run, step);
  }
  if (!fs::exists(run / "DONE")) train(cell, run, {"--resume", "--model-only"});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return "done in " + plain(std::round(took.count())) + " s";
}

// ------------------------------------------------------------------------------------------------- the whole

std::vector<std::string> Runner::run() {
  enum class Mark { kOpen, kTaken, kDone, kFailed };
  std::vector<Mark> marks(cells_.size(), Mark::kOpen);
  std::vector<std::string> failures;
  std::int64_t worked = 0;
  std::mutex mutex;  // guards marks, failures, worked, say and progressed
  std::atomic<bool> stopped = false;

  const auto next = [&]() -> std::optional<std::size_t> {
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (marks[i] != Mark::kOpen || (options_.only && *options_.only != i)) continue;
      const auto ready = [&](std::size_t need) { return options_.only || marks[need] == Mark::kDone; };
      if (!std::all_of(cells_[i].needs.begin(), cells_[i].needs.end(), ready)) continue;
      marks[i] = Mark::kTaken;
      return i;
    }
    return {};
  };
  const auto finish = [&](std::size_t cell, Mark mark, const std::string& text) {
    const std::lock_guard lock(mutex);
    marks[cell] = mark;
    const auto ended = std::count_if(marks.begin(), marks.end(),
                                     [](Mark m) { return m == Mark::kDone || m == Mark::kFailed; });
    const std::string line = text_of(cells_[cell]) + ": " + text;
    if (mark == Mark::kFailed) failures.push_back("cell " + std::to_string(cell + 1) + ", " + line);
    const std::size_t all = options_.only ? 1 : cells_.size();
    options_.say("[" + std::to_string(ended) + "/" + std::to_string(all) + "] " + line);
    worked += text != kWasDone;
    if (options_.progressed)
      options_.progressed(static_cast<std::int64_t>(ended), worked, static_cast<std::int64_t>(all));
  };
  const auto waiting = [&] {
    const std::lock_guard lock(mutex);
    return std::any_of(marks.begin(), marks.end(), [](Mark m) { return m == Mark::kTaken; });
  };
  const auto worker = [&] {
    while (!stopped) {
      const auto cell = next();
      if (!cell) {
        if (!waiting()) return;  // whoever is still at work may make others ready
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        continue;
      }
      try {
        finish(*cell, Mark::kDone, work(*cell));
      } catch (const Interrupted&) {
        stopped = true;
      } catch (const std::exception& error) {
        finish(*cell, Mark::kFailed, error.what());
      }
      if (options_.interrupted && options_.interrupted()) stopped = true;
    }
  };
  {
    std::vector<std::jthread> workers;
    for (int j = 1; j < options_.jobs; ++j) workers.emplace_back(worker);
    worker();
  }
  if (stopped) return failures;
  for (std::size_t i = 0; i < cells_.size(); ++i)
    if (marks[i] == Mark::kOpen && (!options_.only || *options_.only == i))
      failures.push_back("cell " + std::to_string(i + 1) + ", " + text_of(cells_[i]) +
                         ": not begun, since a run that it builds on failed");
  if (!options_.only)
    for (std::string& failure : compare()) failures.push_back(std::move(failure));
  write_summary();
  return failures;
}

// Cells of one stage that differ along one axis only make a group; cells that are not done are left out of it.
std::vector<Runner::Group> Runner::groups() {
  std::vector<Group> groups;
  for (const Comparison& comparison : plan_.comparisons) {
    std::map<std::string, Group> by_labels;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const Cell& cell = cells_[i];
      if (!is_for(comparison, cell, plan_) || !label_of(cell, comparison.over)) continue;
      const auto found = resolved(i);
      if (!found || !done(cell, run_of(*found))) continue;
      Group group{&comparison, cell.stage, {}, {}, {}, i};
      std::string key = std::to_string(cell.stage);
      for (const auto& label : cell.labels) {
        if (label.first == comparison.over) continue;
        group.labels.push_back(label);
        key += "\n" + label.first + "=" + label.second;
      }
      by_labels.try_emplace(key, std::move(group)).first->second.runs.push_back(run_of(*found).string());
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

std::vector<std::string> Runner::compare() {
  std::vector<std::string> failures;
  for (const Group& group : groups()) {
    const fs::path file = options_.folder / group.file;
    if (fs::exists(file)) continue;
    std::vector<std::string> arguments{"compare"};
    arguments.insert(arguments.end(), group.runs.begin(), group.runs.end());
    arguments.insert(arguments.end(), group.comparison->options.begin(), group.comparison->options.end());
    try {
      produce(group.first, file, std::move(arguments));
    } catch (const std::exception& error) {
      failures.push_back("comparison " + group.comparison->name + " of " + text_of(cells_[group.first]) +
                         " and its like: " + error.what());
    }
  }
  return failures;
}

// Folders of runs are given relative to the runs' folder, so that both may move together.
void Runner::write_summary() {
  json summary = {{"name", plan_.name}, {"title", plan_.title}, {"cells", json::array()}};
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const auto found = resolved(i);
    json cell = {{"cell", i + 1}, {"stage", plan_.stages[cells_[i].stage].name}, {"labels", json::array()}};
    for (const auto& [axis, label] : cells_[i].labels) cell["labels"].push_back({axis, label});
    if (found && done(cells_[i], run_of(*found))) {
      const fs::path run = run_of(*found);
      cell["run"] = run.filename().string();
      cell["hash"] = found->hash;
      cell["seed"] = found->seed;
      cell["evaluations"] = cell["pictures"] = json::array();
      for (const Step& step : steps_of(cells_[i])) {
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
  fs::create_directories(options_.folder);
  config::write_text_file(options_.folder / "study.json", summary.dump(1) + "\n");
}

}  // namespace variform::study
