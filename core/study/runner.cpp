// See runner.h.

#include "study/runner.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/contents.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/quote.h"
#include "base/retry.h"
#include "config/run_environment.h"
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

// Id and SHA-256 of the plugins that trained a run: what a comparison of runs depends on, too.
std::string plugins_of(const fs::path& run) {
  std::string text;
  if (const auto plugins = config::environment_of(run).plugins)
    for (const auto& plugin : *plugins) text += json(plugin.id).dump() + json(plugin.sha256).dump();
  return text;
}

std::string tail(const std::string& text) {
  constexpr std::size_t kShown = 600;
  return text.size() > kShown ? "…" + text.substr(text.size() - kShown) : text;
}

// Why there is no result under a name; empty: it is there, and whole.
std::string why_no_result(const fs::path& file, bool is_picture) {
  if (!base::is_there(file)) return "there is no " + file.string();
  try {
    if (!is_picture) {
      const base::JsonFile result(file);
      return result.root().members().empty() ? file.string() + " holds nothing" : "";
    }
    const std::string text = base::contents_of(file, base::kMostOfLog);
    const bool is_whole =
        text.starts_with("\x89PNG\r\n\x1a\n") && text.find("IEND", text.size() - 12) != text.npos;
    return is_whole ? "" : file.string() + " is no whole picture";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

bool has_result(const fs::path& file, bool is_picture) { return why_no_result(file, is_picture).empty(); }

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
                     [&](const Step& step) { return has_result(file_of(run, step), step.picture); });
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
              return has_result(file_of(state.run, step), step.picture);
            }));
    } else {
      state.stage = State::Stage::kWaiting;
    }
    states.push_back(std::move(state));
  }
  return states;
}

// ------------------------------------------------------------------------------------------------- one cell

// Runs a command, and looks afterwards whether it has done what it was for: `lacks(log)` says what is missing, given what
// it has printed. A plugin that ends the process, for instance, can make it look well.
void Runner::execute(std::size_t cell, const std::vector<std::string>& arguments, const Lacks& lacks) {
  std::vector<std::string> command{options_.program.string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  for (const std::string& argument : options_.arguments) command.push_back(argument);
  command.insert(command.end(), {"--runs", options_.runs.string()});
  const std::int64_t threads = options_.jobs > 1 ? 1 : options_.threads;
  if (threads > 0) command.insert(command.end(), {"--threads", std::to_string(threads)});
  const fs::path log = options_.folder / "logs" / (number_of(cell) + ".txt");
  base::make_folder_inside(options_.folder, log.parent_path());
  std::error_code none;
  const std::uintmax_t written = fs::file_size(log, none);
  const std::size_t start = none ? 0 : static_cast<std::size_t>(written);
  const Exit exit = study::execute(command, log, options_.interrupted, lock_of(cell));
  if (exit.interrupted || (exit.code != 0 && options_.interrupted && options_.interrupted()))
    throw Interrupted();
  const std::string said = text_since(log, start);
  const auto fail = [&](const std::string& how) {
    throw std::runtime_error("`" + arguments[0] + "` ended " + how + "; the end of " + log.string() + ":\n" +
                             tail(said));
  };
  if (exit.code != 0) fail("with exit code " + std::to_string(exit.code));
  if (const std::string missing = lacks(said); !missing.empty())
    fail("as if all were well (exit code 0), but " + missing +
         ". Something in it, such as a plugin, has ended the process");
}

void Runner::train(std::size_t cell, const fs::path& run, const std::vector<std::string>& more, bool to_end) {
  const fs::path config = options_.folder / "cells" / (number_of(cell) + ".toml");
  std::vector<std::string> arguments{"train", config.string(), "--folder", run.string(), "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  if (options_.accept_changed_plugins) arguments.emplace_back("--accept-changed-plugins");
  if (options_.no_check) arguments.emplace_back("--no-check");
  execute(cell, arguments, [&](const std::string& said) -> std::string {
    if (to_end && !fs::exists(run / "DONE")) return "the run " + run.string() + " has no DONE";
    if (!fs::is_regular_file(run / "checkpoints" / "last.h5"))
      return "the run " + run.string() + " has no checkpoint";
    // Its last word; a training that was to stop on its way leaves no other sign. A plugin may have begun the line.
    return said.find(base::shown_lines(run.string()) + "\n") != std::string::npos
               ? ""
               : "it has not said where its run is";
  });
}

// Has a command write `file`, in a folder that is there, whole or not at all; what else it gives gets its name `before`.
void Runner::produce(std::size_t cell, const fs::path& file, bool is_picture,
                     std::vector<std::string> arguments, const std::function<void()>& before) {
  base::clean_temporaries(file.parent_path());
  base::Temporary fresh(file.parent_path(), base::Temporary::Kind::kName);
  arguments.insert(arguments.end(), {"--out", fresh.path().string(), "--quiet"});
  execute(cell, arguments, [&](const std::string&) { return why_no_result(fresh.path(), is_picture); });
  if (before) before();
  if (const int problem = fresh.become(file)) base::fail_on_file("write", file, problem);
}

void Runner::execute(std::size_t cell, const fs::path& run, const Step& step) {
  const fs::path file = file_of(run, step);
  std::vector<std::string> arguments = step.command;
  base::make_folder_inside(run, file.parent_path());
  // A study names a dump; where it goes is beside the result, which comes last.
  constexpr std::string_view kDump = "--dump=";
  std::optional<base::Temporary> dump;
  fs::path dumped;
  for (std::string& argument : arguments) {
    if (!argument.starts_with(kDump)) continue;
    dumped = file.parent_path() / (file.stem().string() + "-" + argument.substr(kDump.size()) + ".h5");
    dump.emplace(file.parent_path(), base::Temporary::Kind::kName);
    argument = std::string(kDump) + dump->path().string();
  }
  arguments.insert(arguments.begin() + 1, run.string());
  produce(cell, file, step.picture, std::move(arguments), [&] {
    if (const int problem = dump ? dump->become(dumped) : 0) base::fail_on_file("write", dumped, problem);
  });
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
  if (base::retried([&] { return ::rename(run.c_str(), kept.c_str()); }) != 0)
    base::fail_on_file("rename", run, errno);
  options_.say("warning: " + text_of(cells_[cell]) + " is made again: " + why +
               " What there was is kept in " + kept.string() + ".");
}

// ------------------------------------------------------------------------------------------------- other processes

// What a cell's commands inherit: they keep the lock even when this process is killed, so that whoever comes next waits for
// them, too.
int Runner::lock_of(std::size_t cell) {
  const std::lock_guard lock(mutex_);
  const auto found = locks_.find(cell);
  return found == locks_.end() ? -1 : found->second.descriptor();
}

// Keeps every other study away from the cell's run, by a name that all studies have for it; false if another is there.
bool Runner::take(std::size_t cell) {
  const auto found = resolved(cell);
  if (!found) return true;  // work() says what is missing
  const fs::path file =
      options_.runs / (".study-" + found->hash + "-" + std::to_string(found->seed) + ".lock");
  fs::create_directories(options_.runs);
  base::Holder holder;
  std::optional<base::FileLock> lock =
      base::FileLock::try_to_take(file, base::FileLock::After::kIsRemoved, holder);
  const std::lock_guard guard(mutex_);
  if (lock) {
    if (!lock->is_real() && !std::exchange(said_no_locks_, true))
      options_.say("warning: " + base::no_locks(file));
    locks_.emplace(cell, std::move(*lock));
    return true;
  }
  if (waited_for_.insert(cell).second)
    options_.say(text_of(cells_[cell]) + ": " + holder.sentence() +
                 " is at work on it; the others first, then its end is waited for");
  return false;
}

void Runner::leave(std::size_t cell) {
  const std::lock_guard lock(mutex_);
  locks_.erase(cell);
}

namespace {

// One process at a time writes what all cells give together.
base::FileLock lock_study(const fs::path& folder, const std::function<bool()>& interrupted,
                          const std::function<void(const std::string&)>& say) {
  fs::create_directories(folder);
  for (bool has_said = false;; has_said = true) {
    base::Holder holder;
    if (auto lock = base::FileLock::try_to_take(folder / ".lock", base::FileLock::After::kIsRemoved, holder))
      return std::move(*lock);
    if (!has_said) say("waiting for " + holder.sentence() + ", which writes the study's results");
    if (interrupted && interrupted()) throw Interrupted();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace

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
  base::make_folder_inside(options_.folder, config.parent_path());
  base::write_text_file(config, found->config);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Step> steps = steps_of(cells_[cell]);
  // Evaluations along the training that a finished run lacks need the training again: it is the same bit for bit.
  const auto is_missing = [&](const Step& step) { return !has_result(file_of(run, step), step.picture); };
  const auto lacks = [&](const Step& step) { return step.epoch && is_missing(step); };
  if (fs::exists(run / "DONE") && std::any_of(steps.begin(), steps.end(), lacks))
    train(cell, run, {"--overwrite", "--stop-at", "0"}, false);
  for (const Step& step : steps) {
    if (!is_missing(step)) continue;
    if (step.epoch) train(cell, run, {"--resume", "--stop-at-epoch", plain(*step.epoch)}, false);
    else if (!fs::exists(run / "DONE")) train(cell, run, {"--resume", "--model-only"}, true);
    execute(cell, run, step);
  }
  if (!fs::exists(run / "DONE")) train(cell, run, {"--resume", "--model-only"}, true);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return "done in " + plain(std::round(took.count())) + " s";
}

// ------------------------------------------------------------------------------------------------- the whole

std::vector<std::string> Runner::run() {
  enum class Mark { kOpen, kTaken, kElsewhere, kDone, kFailed };
  std::vector<Mark> marks(cells_.size(), Mark::kOpen);
  std::vector<std::string> failures;
  std::int64_t worked = 0;
  std::mutex mutex;  // guards marks, failures, worked, say and progressed
  std::atomic<bool> stopped = false;

  const auto next_of = [&](Mark mark) -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (marks[i] != mark || (options_.only && *options_.only != i)) continue;
      const auto ready = [&](std::size_t need) { return options_.only || marks[need] == Mark::kDone; };
      if (!std::all_of(cells_[i].needs.begin(), cells_[i].needs.end(), ready)) continue;
      marks[i] = Mark::kTaken;
      return i;
    }
    return {};
  };
  // A cell that nobody works on; else one that another process had. `again`: it is one of those.
  const auto next = [&](bool& again) {
    const std::lock_guard lock(mutex);
    auto cell = next_of(Mark::kOpen);
    again = !cell;
    return cell ? cell : next_of(Mark::kElsewhere);
  };
  const auto set = [&](std::size_t cell, Mark mark) {
    const std::lock_guard lock(mutex);
    marks[cell] = mark;
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
  const auto try_cell = [&](std::size_t cell) {
    try {
      if (!take(cell)) return set(cell, Mark::kElsewhere);
      const std::string did = work(cell);
      leave(cell);
      finish(cell, Mark::kDone, did);
    } catch (const Interrupted&) {
      leave(cell);
      stopped = true;
    } catch (const std::exception& error) {
      leave(cell);
      finish(cell, Mark::kFailed, error.what());
    }
  };
  const auto worker = [&] {
    while (!stopped) {
      bool again = false;
      const auto cell = next(again);
      if (!cell && !waiting()) return;  // whoever is still at work may make others ready
      if (!cell || again) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (cell) try_cell(*cell);
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
  try {
    const base::FileLock lock = lock_study(options_.folder, options_.interrupted, options_.say);
    if (!options_.only)
      for (std::string& failure : compare()) failures.push_back(std::move(failure));
    write_summary();
  } catch (const Interrupted&) {  // the caller asks, too
  }
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
    if (has_result(file, false)) continue;
    std::vector<std::string> arguments{"compare"};
    arguments.insert(arguments.end(), group.runs.begin(), group.runs.end());
    arguments.insert(arguments.end(), group.comparison->options.begin(), group.comparison->options.end());
    try {
      base::make_folder_inside(options_.folder, file.parent_path());
      produce(group.first, file, false, std::move(arguments));
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
  base::make_folder_inside(options_.folder, options_.folder);
  base::write_text_file(options_.folder / "study.json", summary.dump(1) + "\n");
}

}  // namespace variform::study
