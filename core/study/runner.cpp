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
#include "checkpoint/snapshot.h"
#include "config/difference.h"
#include "config/experiment.h"
#include "config/load.h"
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

// Returns id and SHA-256 of the plugins that trained a run, on which a comparison of runs depends, too.
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

// Says why a file is not a complete result; empty: it is one.
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

std::string number_of(std::size_t cell) {
  std::string text = std::to_string(cell + 1);
  return std::string(text.size() < 3 ? 3 - text.size() : 0, '0') + text;
}

}  // namespace

Runner::Runner(const Plan& plan, const std::vector<Cell>& cells, RunnerOptions options)
    : plan_(plan), cells_(cells), options_(std::move(options)) {}

// ------------------------------------------------------------------------------------------------- what is on disk

// Resolves a cell's config; nothing while a run that it builds on is missing.
std::optional<Resolved> Runner::resolved(std::size_t cell) {
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

// Returns the run's folder. A run with this hash and seed counts under any name: another study may have made it.
fs::path Runner::run_of(const Resolved& resolved) const {
  const std::string suffix = "-" + resolved.hash + "-" + std::to_string(resolved.seed);
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(options_.runs, none))
    if (const std::string name = entry.path().filename().string();
        name.ends_with(suffix) && !name.starts_with('.') && fs::exists(entry.path() / "config.resolved.toml"))
      found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  for (const fs::path& run : found)
    if (foreign(run, resolved).empty()) return run;
  return options_.runs / (resolved.name + suffix);
}

// Returns a sentence if a run with the cell's hash and seed has another config, else nothing: the hash is short, and an
// unlucky one would put another model's numbers into the results. An edited file is not that: the checkpoint has the
// run's own config.
std::string Runner::foreign(const fs::path& run, const Resolved& resolved) const {
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
    why = "the run " + run.string() + " has the hash and the seed of this cell (" + resolved.hash + ", " +
          std::to_string(resolved.seed) + "), but another config: " + all[0].key + " is " +
          all[0].values[1].value_or("not given") + " there, and " + all[0].values[0].value_or("not given") +
          " here. Nothing of it was used or changed. Move it away, or give this study another --runs.";
  return foreign_.emplace(run, why).first->second;
}

// Whether foreign() has said something about a run.
bool Runner::is_foreign(const fs::path& run) const {
  const std::lock_guard lock(mutex_);
  const auto known = foreign_.find(run);
  return known != foreign_.end() && !known->second.empty();
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

// Says why a run's results are of other code than results made now would be; empty if they are not.
std::string Runner::changed(const fs::path& run) const {
  if (options_.accept_changed_plugins || !options_.changed || !fs::exists(run)) return {};
  const std::lock_guard lock(mutex_);
  return options_.changed(run);
}

bool Runner::done(const Cell& cell, const fs::path& run) const {
  if (!fs::exists(run / "DONE") || is_foreign(run) || !changed(run).empty()) return false;
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

// Runs a command, and then checks its work: `lacks(log)` says what is missing, given its output. The exit code alone
// does not tell: a plugin, for instance, may have ended the process with 0.
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
    // The command prints its run last; a training that was to stop early leaves no other sign. A plugin may have
    // printed something before it on the line.
    return said.find(base::shown_lines(run.string()) + "\n") != std::string::npos
               ? ""
               : "it has not said where its run is";
  });
}

// Has a command write `file`, whole or not at all, into an existing folder. `before` is called before the file gets its
// name, to rename other files first.
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
  // The dump that a study names goes beside the result, and is renamed before it.
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

// Keeps a run of other plugins under another name, where no study looks for it. Runs that were built on it come first,
// so that a study that is killed in between does not take them for valid ones.
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
               " The former run is kept in " + kept.string() + ".");
}

// ------------------------------------------------------------------------------------------------- other processes

// Returns the lock's descriptor, which a cell's commands inherit: they hold the lock even when this process is killed,
// so that the next one waits for them.
int Runner::lock_of(std::size_t cell) {
  const std::lock_guard lock(mutex_);
  const auto found = locks_.find(cell);
  return found == locks_.end() ? -1 : found->second.descriptor();
}

// Locks the cell's run against all other studies, by a name that they share; false if another one holds the lock.
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
                 " is at work on it; this study does the others first, then waits for it");
  return false;
}

void Runner::leave(std::size_t cell) {
  const std::lock_guard lock(mutex_);
  locks_.erase(cell);
}

namespace {

// Locks the study: one process at a time writes the results of all cells.
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

// Trains up to the next evaluation, evaluates, and so on; returns what it did.
std::string Runner::work(std::size_t cell) {
  const auto found = resolved(cell);
  if (!found) throw std::runtime_error("a run that it builds on is missing");
  if (const fs::path own = run_of(*found); is_foreign(own)) throw std::runtime_error(foreign(own, *found));
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
  // If a finished run lacks evaluations along the training, it is trained again, which gives the same bit for bit.
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
  // Returns a cell that nobody works on; else one that another process had, and sets `again`.
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
      if (!cell && !waiting()) return;  // cells that are still worked on may make others ready
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
  } catch (const Interrupted&) {  // the caller checks, too
  }
  return failures;
}

// Returns groups of cells of one stage that differ along one axis only, without cells that are not done.
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

// Writes study.json. Run folders are relative to the folder of runs, so that both may be moved together.
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
