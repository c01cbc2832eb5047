// See runner.h.

#include "study/runner.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "base/quote.h"
#include "base/temporary_name.h"
#include "config/text.h"
#include "study/process.h"

namespace variform::study {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* kWasDone = "was done";
// So many processes, one after the other, may end without a word while they are at work on a cell.
constexpr int kMostTaken = 10;
constexpr int kEndedBySignal = 130;                         // a command's exit code
constexpr milliseconds kShortPause{100}, kLongPause{2000};  // between looks at what other processes do

class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

class TakenOver : public std::runtime_error {
 public:
  TakenOver() : std::runtime_error("taken over") {}
};

std::string tail(const std::string& text) {
  constexpr std::size_t kShown = 600;
  return text.size() > kShown ? "…" + text.substr(text.size() - kShown) : text;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Runner::Runner(const Plan& plan, const std::vector<Cell>& cells, RunnerOptions options)
    : plan_(plan),
      cells_(cells),
      options_(std::move(options)),
      runs_(plan, cells, options_),
      claims_({claims_of(options_.runs), options_.job, options_.silence}),
      schedule_(cells, options_.only, !options_.waits) {}

// ------------------------------------------------------------------------------------------------- one cell

// Runs a command, and then checks its work: `lacks(log)` says what is missing, given its output. The exit code alone
// does not tell: a plugin, for instance, may have ended the process with 0.
void Runner::execute(const Work& work, const std::vector<std::string>& arguments, const Lacks& lacks) {
  std::vector<std::string> command{options_.program.string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  for (const std::string& argument : options_.arguments) command.push_back(argument);
  command.insert(command.end(), {"--runs", options_.runs.string()});
  const std::int64_t threads = options_.jobs > 1 ? 1 : options_.threads;
  if (threads > 0) command.insert(command.end(), {"--threads", std::to_string(threads)});
  const fs::path log = options_.folder / "logs" / (cell_number(work.cell) + ".txt");
  base::make_folder_inside(options_.folder, log.parent_path());
  std::error_code none;
  const std::uintmax_t written = fs::file_size(log, none);
  const std::size_t start = none ? 0 : static_cast<std::size_t>(written);
  const auto is_lost = [&] { return !work.claim.empty() && claims_.taken(work.claim) == 0; };
  const Exit exit = study::execute(command, log, options_.interrupted, is_lost);
  if (exit.killed) throw TakenOver();
  // A batch system may send its signal to all processes of a job, and the command has been faster than this one.
  if (exit.code == kEndedBySignal) pause(std::chrono::seconds(1));
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

void Runner::train(const Work& work, const fs::path& run, const std::vector<std::string>& more, bool to_end) {
  const fs::path config = options_.folder / "cells" / (cell_number(work.cell) + ".toml");
  std::vector<std::string> arguments{
      "train",   config.string(), "--folder", run.string(),
      "--quiet", "--processes",   "1"};  // whatever batch system has started the worker
  arguments.insert(arguments.end(), more.begin(), more.end());
  if (options_.accept_changed_plugins) arguments.emplace_back("--accept-changed-plugins");
  if (options_.no_check) arguments.emplace_back("--no-check");
  execute(work, arguments, [&](const std::string& said) -> std::string {
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
void Runner::produce(const Work& work, const fs::path& file, bool is_picture,
                     std::vector<std::string> arguments, const std::function<void()>& before) {
  base::clean_temporaries(file.parent_path());
  base::Temporary fresh(file.parent_path(), base::Temporary::Kind::kName);
  arguments.insert(arguments.end(), {"--out", fresh.path().string(), "--quiet"});
  execute(work, arguments, [&](const std::string&) { return why_no_result(fresh.path(), is_picture); });
  if (before) before();
  if (const int problem = fresh.become(file)) base::fail_on_file("write", file, problem);
}

void Runner::execute(const Work& work, const fs::path& run, const Step& step) {
  const fs::path file = runs_.file_of(run, step);
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
  produce(work, file, step.picture, std::move(arguments), [&] {
    if (const int problem = dump ? dump->become(dumped) : 0) base::fail_on_file("write", dumped, problem);
  });
}

// Trains up to the next evaluation, evaluates, and so on.
void Runner::make(const Work& work, const fs::path& run) {
  const std::vector<Step> steps = runs_.steps_of(work.cell);
  const auto is_missing = [&](const Step& step) {
    return !has_result(runs_.file_of(run, step), step.picture);
  };
  const auto lacks = [&](const Step& step) { return step.epoch && is_missing(step); };
  // If a finished run lacks evaluations along the training, it is trained again, which gives the same bit for bit.
  if (fs::exists(run / "DONE") && std::any_of(steps.begin(), steps.end(), lacks))
    train(work, run, {"--overwrite", "--stop-at", "0"}, false);
  for (const Step& step : steps) {
    if (!is_missing(step)) continue;
    if (step.epoch) train(work, run, {"--resume", "--stop-at-epoch", plain(*step.epoch)}, false);
    else if (!fs::exists(run / "DONE")) train(work, run, {"--resume", "--model-only"}, true);
    execute(work, run, step);
  }
  if (!fs::exists(run / "DONE")) train(work, run, {"--resume", "--model-only"}, true);
}

// Does what is missing of a cell that this process has claimed; returns what it did.
std::string Runner::work(const Work& work, const Resolved& resolved) {
  for (const std::size_t need : cells_[work.cell].needs)
    if (!runs_.changed(runs_.run_of(*runs_.resolved(need))).empty())
      throw std::runtime_error(
          fmt::format("the run that it builds on, {}, was trained with other plugins; do cell {} first",
                      text_of(cells_[need]), need + 1));
  if (const std::string why = runs_.changed(runs_.run_of(resolved)); !why.empty())
    runs_.set_aside(work.cell, why);
  const fs::path run = runs_.run_of(resolved);
  if (runs_.done(work.cell, run)) return kWasDone;
  if (claims_.taken(work.claim) > kMostTaken)
    throw std::runtime_error(
        fmt::format("{} processes, one after the other, have ended without a word while they were at "
                    "work on it (out of memory?)",
                    kMostTaken));
  const fs::path config = options_.folder / "cells" / (cell_number(work.cell) + ".toml");
  base::make_folder_inside(options_.folder, config.parent_path());
  base::write_text_file(config, resolved.config);
  if (options_.tells_begin) say(base::Level::kInfo, text_of(cells_[work.cell]) + ": begins");
  const auto start = Clock::now();
  make(work, run);
  record(work, resolved, {}, seconds_since(start));
  return "done in " + plain(std::round(seconds_since(start))) + " s";
}

// ------------------------------------------------------------------------------------------------- which cell

// Gives a claim back at its end.
class Runner::Given {
 public:
  Given(base::Claims& claims, std::string key) : claims_(claims), key_(std::move(key)) {}
  ~Given() { claims_.give_back(key_); }
  Given(const Given&) = delete;
  Given& operator=(const Given&) = delete;

 private:
  base::Claims& claims_;
  const std::string key_;
};

void Runner::record(const Work& work, const Resolved& resolved, const std::string& why_failed,
                    double seconds) const {
  write_record(options_.folder, work.cell,
               {.key = runs_.key_of(work.cell, resolved),
                .run = runs_.run_of(resolved).filename().string(),
                .why_failed = why_failed,
                .seconds = seconds,
                .host = base::host_name(),
                .job = options_.job,
                .mark = base::process_mark()});
}

// Returns why a cell has failed, if it is not to be tried again: this process tries again what had failed before it
// began, unless it is to leave that alone.
std::string Runner::failed_before(std::size_t cell, const std::optional<CellRecord>& record) const {
  if (!record || record->why_failed.empty()) return {};
  const auto before = failures_before_.find(cell);
  if (before != failures_before_.end() && before->second == record->mark) return {};
  return record->why_failed + "\n(this was on " + record->host + "; it has not been tried again)";
}

// Whether a process without a claim uses the run: a command that a dead process has left behind, which is about to end,
// or somebody's own training.
bool Runner::is_busy(std::size_t cell, const fs::path& run) {
  if (!fs::exists(run / ".lock")) return false;
  base::Holder holder;
  if (base::FileLock::try_to_take(run / ".lock", base::FileLock::After::kStays, holder)) return false;
  say_once(cell, holder.sentence() + " uses the run; this study waits for it");
  return true;
}

void Runner::take_and_work(std::size_t cell, const Resolved& resolved) {
  const Work work{cell, resolved.key()};
  base::Claim other;
  if (!claims_.try_to_take(work.claim, other)) {
    if (options_.waits)
      say_once(cell, other.holder.sentence() +
                         " is at work on it; this study does the others first, then waits for it");
    return schedule_.set(cell, Mark::kElsewhere);
  }
  const Given given(claims_, work.claim);
  if (is_busy(cell, runs_.run_of(resolved))) return schedule_.set(cell, Mark::kBusy);
  const auto start = Clock::now();
  try {
    finish(cell, Mark::kDone, this->work(work, resolved));
  } catch (const Interrupted&) {
    throw;
  } catch (const TakenOver&) {
    say(base::Level::kWarning,
        text_of(cells_[cell]) +
            ": another process has taken it over, since none of this one's signs of life have reached " +
            options_.runs.string());
    schedule_.set(cell, Mark::kElsewhere);
  } catch (const std::exception& error) {
    record(work, resolved, error.what(), seconds_since(start));
    throw;
  }
}

void Runner::try_cell(std::size_t cell) {
  try {
    const auto resolved = runs_.resolved(cell);
    if (!resolved) throw std::runtime_error("a run that it builds on is missing");
    const auto record = runs_.record_of(cell, *resolved);
    if (!options_.waits && runs_.is_done_by(record)) return finish(cell, Mark::kDone, kWasDone);
    const fs::path run = runs_.run_of(*resolved);
    if (runs_.is_foreign(run)) throw std::runtime_error(runs_.foreign(run, *resolved));
    if (runs_.done(cell, run)) {
      if (!runs_.is_done_by(record)) this->record({cell, {}}, *resolved, {}, 0);  // done by another study
      return finish(cell, Mark::kDone, kWasDone);
    }
    if (const std::string why = failed_before(cell, record); !why.empty())
      return finish(cell, Mark::kFailed, why);
    take_and_work(cell, *resolved);
  } catch (const Interrupted&) {
    stopped_ = true;
  } catch (const std::exception& error) {
    finish(cell, Mark::kFailed, error.what());
  }
}

void Runner::finish(std::size_t cell, Mark mark, const std::string& text) {
  schedule_.set(cell, mark);
  const std::size_t ended = schedule_.count(Mark::kDone) + schedule_.count(Mark::kFailed),
                    all = options_.only ? 1 : cells_.size();
  const std::string line = text_of(cells_[cell]) + ": " + text;
  const std::lock_guard lock(mutex_);
  if (mark == Mark::kFailed) failures_.push_back(fmt::format("cell {}, {}", cell + 1, line));
  if (options_.waits || text != kWasDone)
    options_.say(base::Level::kInfo, fmt::format("[{}/{}] {}", ended, all, line));
  worked_ += text != kWasDone;
  if (options_.progressed)
    options_.progressed(static_cast<std::int64_t>(ended), worked_, static_cast<std::int64_t>(all));
}

void Runner::say(base::Level level, const std::string& text) {
  const std::lock_guard lock(mutex_);
  options_.say(level, text);
}

void Runner::say_once(std::size_t cell, const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (waited_for_.insert(cell).second) options_.say(base::Level::kInfo, text_of(cells_[cell]) + ": " + text);
}

// Sleeps; wakes early when the program is to end.
void Runner::pause(milliseconds time) const {
  for (const auto end = Clock::now() + time; Clock::now() < end && !stopped_;) {
    if (options_.interrupted && options_.interrupted()) return;
    std::this_thread::sleep_for(kShortPause);
  }
}

// Opens cells again that other processes have left.
void Runner::look_around() {
  std::vector<std::string> keys(cells_.size());
  for (std::size_t i = 0; i < cells_.size(); ++i)
    if (const auto resolved = schedule_.is(i, Mark::kElsewhere) ? runs_.resolved(i) : std::nullopt)
      keys[i] = resolved->key();
  std::set<std::string> held;
  for (const base::Claim& claim : base::Claims::in(claims_of(options_.runs)))
    if (!claim.is_dead) held.insert(claim.key);
  schedule_.open_again(keys, held);
}

void Runner::work_on_cells() {
  for (milliseconds time = kShortPause; !stopped_;) {
    auto cell = schedule_.next();
    if (!cell) {
      look_around();
      if (schedule_.is_over(options_.waits)) return;
      // What this process' own threads do may make a cell ready at any moment.
      pause(schedule_.count(Mark::kTaken) > 0 ? kShortPause : time);
      time = std::min(time * 3 / 2, kLongPause);
      cell = schedule_.next();
    }
    if (cell) try_cell(*cell);
    if (cell && schedule_.is(*cell, Mark::kDone)) time = kShortPause;
    if (options_.interrupted && options_.interrupted()) stopped_ = true;
  }
}

// ------------------------------------------------------------------------------------------------- the whole

// Claims `key`. While another process has it: returns false at once, or `waits` until it is free; says so, with what
// that one `does`.
bool Runner::claim(const std::string& key, bool waits, const std::string& does) {
  base::Claim other;
  for (bool has_said = false; !claims_.try_to_take(key, other); has_said = true) {
    if (!waits) return false;
    if (!has_said) say(base::Level::kInfo, "waiting for " + other.holder.sentence() + ", which " + does);
    if (options_.interrupted && options_.interrupted()) throw Interrupted();
    std::this_thread::sleep_for(kShortPause);
  }
  return true;
}

void Runner::compare(const Group& group) {
  const fs::path file = options_.folder / group.file;
  const Work work{group.first, "comparison-" + hash_of({plan_.name, group.file.string()})};
  if (has_result(file, false) || failed_comparisons_.contains(group.file) ||
      !claim(work.claim, options_.waits, "compares runs"))
    return;
  const Given given(claims_, work.claim);
  if (has_result(file, false)) return;
  std::vector<std::string> arguments{"compare"};
  arguments.insert(arguments.end(), group.runs.begin(), group.runs.end());
  arguments.insert(arguments.end(), group.comparison->options.begin(), group.comparison->options.end());
  try {
    base::make_folder_inside(options_.folder, file.parent_path());
    produce(work, file, false, std::move(arguments));
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {
    failed_comparisons_.insert(group.file);
    failures_.push_back("comparison " + group.comparison->name + " of " + text_of(cells_[group.first]) +
                        " and its like: " + error.what());
  }
}

// Cells that are left to others may still make a comparison complete, and are then compared by them.
void Runner::compare() {
  for (const Group& group : runs_.groups())
    if (group.is_complete || left_to_others() == 0) compare(group);
}

void Runner::write_summary() {
  const std::string key = "results-" + hash_of({plan_.name});
  claim(key, true, "writes the study's results");
  const Given given(claims_, key);
  runs_.write_summary();
}

void Runner::work_until_over() {
  do {
    std::vector<std::jthread> others;
    for (int j = 1; j < options_.jobs; ++j) others.emplace_back([this] { work_on_cells(); });
    work_on_cells();
    others.clear();
    if (stopped_) throw Interrupted();
    if (!options_.only) compare();
    look_around();
  } while (!schedule_.is_over(options_.waits));
}

std::vector<std::string> Runner::run() {
  if (options_.retries)
    for (std::size_t i = 0; i < cells_.size(); ++i)
      if (const auto record = read_record(options_.folder, i)) failures_before_[i] = record->mark;
  try {
    work_until_over();
    for (const std::size_t cell : schedule_.stuck())
      failures_.push_back(fmt::format("cell {}, {}: not begun, since a run that it builds on failed",
                                      cell + 1, text_of(cells_[cell])));
    if (left_to_others() == 0) write_summary();
  } catch (const Interrupted&) {  // the caller checks, too
  }
  base::Claims::remove_dead(claims_of(options_.runs));  // of those that were killed at their end
  return failures_;
}

}  // namespace variform::study
