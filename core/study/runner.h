#pragma once
// Trains and evaluates the cells of a study, by the program itself in separate processes. All results are on disk (run
// folders, evaluations in them), so that a study that was killed continues where it was: nothing is trained or
// evaluated twice, and runs that several studies share are trained once.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/lock.h"

#include "study/plan.h"

namespace variform::study {

/// A cell's resolved config: its text with all defaults, and the run that it describes.
struct Resolved {
  std::string config;  ///< TOML, re-runnable by itself
  std::string name;    ///< of the experiment
  std::string hash;    ///< identity but for the seed
  std::uint64_t seed = 0;
};

struct RunnerOptions {
  std::filesystem::path program;       ///< the executable that trains and evaluates
  std::filesystem::path runs;          ///< where run folders are
  std::filesystem::path folder;        ///< of this study: cells, logs, study.json
  std::vector<std::string> arguments;  ///< for every command: --data, --plugin
  int jobs = 1;                        ///< cells at once; if more than one, with one thread each
  std::int64_t threads = 0;            ///< of a cell's processes with one job; 0: as its config says
  std::optional<std::size_t> only;     ///< this cell alone (with what it needs, which must be done)
  std::function<Resolved(const config::Node&)> resolve;  ///< throws config::Error
  /// Returns a sentence when a run was trained with other plugins than the present ones, else nothing. Its results are
  /// then not mixed with new ones: the run is kept under another name and trained again, unless such runs are accepted.
  std::function<std::string(const std::filesystem::path& run)> changed;
  bool accept_changed_plugins = false;
  bool no_check = false;  ///< trainings do not test plugins that did not come with the program
  std::function<bool()> interrupted;
  std::function<void(const std::string&)> say;  ///< one line of progress
  /// Called after each cell: how many have ended, how many of those this call worked on, how many there are. Optional.
  std::function<void(std::int64_t ended, std::int64_t worked, std::int64_t all)> progressed = {};
};

/// The progress of a cell.
struct State {
  enum class Stage { kWaiting, kUntrained, kPartly, kDone, kOtherPlugins } stage = Stage::kUntrained;
  std::filesystem::path run;                  ///< empty while it waits for the runs that it needs
  std::size_t results = 0, results_done = 0;  ///< evaluations and pictures
};

class Runner {
 public:
  Runner(const Plan& plan, const std::vector<Cell>& cells, RunnerOptions options);

  /// Returns the progress of every cell, from disk alone.
  std::vector<State> states();
  /// Trains and evaluates what is missing, compares runs, and writes study.json. Returns one sentence for each cell
  /// that failed; the others are done, unless interrupted.
  std::vector<std::string> run();

 private:
  /// A command on a run, and the file that it writes.
  struct Step {
    std::string name;
    bool picture = false;
    std::vector<std::string> command;  ///< without the run: "evaluate", its options
    std::optional<double> epoch;       ///< nothing: at the end
  };

  /// Runs that are compared with each other.
  struct Group {
    const Comparison* comparison;
    std::size_t stage;
    std::vector<std::pair<std::string, std::string>> labels;  ///< common to all of them
    std::vector<std::string> runs;
    std::filesystem::path file;  ///< of the result, below the study's folder
    std::size_t first;           ///< a cell of the group
  };

  std::optional<Resolved> resolved(std::size_t cell);
  std::filesystem::path run_of(const Resolved& resolved) const;
  std::string foreign(const std::filesystem::path& run, const Resolved& resolved) const;
  bool is_foreign(const std::filesystem::path& run) const;
  std::vector<Step> steps_of(const Cell& cell) const;
  std::filesystem::path file_of(const std::filesystem::path& run, const Step& step) const;
  bool done(const Cell& cell, const std::filesystem::path& run) const;
  std::string changed(const std::filesystem::path& run) const;
  void set_aside(std::size_t cell, const std::string& why);

  std::string work(std::size_t cell);
  void train(std::size_t cell, const std::filesystem::path& run, const std::vector<std::string>& more,
             bool to_end);
  void execute(std::size_t cell, const std::filesystem::path& run, const Step& step);
  void produce(std::size_t cell, const std::filesystem::path& file, bool is_picture,
               std::vector<std::string> arguments, const std::function<void()>& before = {});
  /// Says what a command that succeeded has not done, given its output; empty: nothing is missing.
  using Lacks = std::function<std::string(const std::string& said)>;
  void execute(std::size_t cell, const std::vector<std::string>& arguments, const Lacks& lacks);
  bool take(std::size_t cell);
  void leave(std::size_t cell);
  int lock_of(std::size_t cell);
  std::vector<Group> groups();
  std::vector<std::string> compare();
  void write_summary();

  const Plan& plan_;
  const std::vector<Cell>& cells_;
  RunnerOptions options_;
  std::map<std::size_t, Resolved> resolved_;     ///< cells that have been asked for
  std::map<std::size_t, base::FileLock> locks_;  ///< of cells that are worked on
  std::set<std::size_t> waited_for_;             ///< cells on which another process was found at work
  bool said_no_locks_ = false;
  mutable std::map<std::filesystem::path, std::string> foreign_;  ///< what foreign() has found out
  mutable std::recursive_mutex mutex_;  ///< guards these, and the calls to resolve, changed and say
};

}  // namespace variform::study
