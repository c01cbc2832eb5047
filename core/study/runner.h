#pragma once
// Trains and evaluates the cells of a study, by the program itself in separate processes. All results are on disk (run
// folders, evaluations in them), so that a study that was killed continues where it was: nothing is trained or
// evaluated twice, and runs that several studies share are trained once. Any number of processes may do so at once, on
// all machines that see the folders: each takes what no other has (base/claims.h).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/claims.h"
#include "study/cell_runs.h"
#include "study/plan.h"
#include "study/schedule.h"

namespace variform::study {

struct RunnerOptions : CellRunsOptions {
  std::filesystem::path program;       ///< the executable that trains and evaluates
  std::vector<std::string> arguments;  ///< for every command: --data, --plugin
  int jobs = 1;                        ///< cells at once; if more than one, with one thread each
  std::int64_t threads = 0;            ///< of a cell's processes with one job; 0: as its config says
  std::optional<std::size_t> only;     ///< this cell alone (with what it needs, which must be done)
  bool no_check = false;               ///< trainings do not test plugins that did not come with the program
  bool waits = true;         ///< for cells that other processes are at work on; else they are left to them
  bool retries = true;       ///< cells that had failed before; else they are left alone
  bool tells_begin = false;  ///< says when it begins with a cell
  std::string job = {};      ///< of a batch system, for those who ask who is at work
  std::chrono::milliseconds silence = base::ClaimOptions{}.silence;
  std::function<bool()> interrupted;
  /// Called after each cell: how many have ended, how many of those this call worked on, how many there are. Optional.
  std::function<void(std::int64_t ended, std::int64_t worked, std::int64_t all)> progressed = {};
};

class Runner {
 public:
  Runner(const Plan& plan, const std::vector<Cell>& cells, RunnerOptions options);

  /// Trains and evaluates what is missing, compares runs, and writes study.json. Returns one sentence for each cell
  /// that failed; the others are done, unless interrupted or left to other processes.
  std::vector<std::string> run();
  /// How many cells run() has left to other processes that are at work on them.
  std::size_t left_to_others() const { return schedule_.count(Mark::kElsewhere); }

 private:
  /// A cell that this process is at work on, and its claim.
  struct Work {
    std::size_t cell;
    std::string claim;  ///< empty: there is none
  };
  class Given;

  std::string work(const Work& work, const Resolved& resolved);
  void make(const Work& work, const std::filesystem::path& run);
  void train(const Work& work, const std::filesystem::path& run, const std::vector<std::string>& more,
             bool to_end);
  void execute(const Work& work, const std::filesystem::path& run, const Step& step);
  void produce(const Work& work, const std::filesystem::path& file, bool is_picture,
               std::vector<std::string> arguments, const std::function<void()>& before = {});
  /// Says what a command that succeeded has not done, given its output; empty: nothing is missing.
  using Lacks = std::function<std::string(const std::string& said)>;
  void execute(const Work& work, const std::vector<std::string>& arguments, const Lacks& lacks);

  void try_cell(std::size_t cell);
  void take_and_work(std::size_t cell, const Resolved& resolved);
  std::string failed_before(std::size_t cell, const std::optional<CellRecord>& record) const;
  void record(const Work& work, const Resolved& resolved, const std::string& why_failed,
              double seconds) const;
  bool is_busy(std::size_t cell, const std::filesystem::path& run);
  void finish(std::size_t cell, Mark mark, const std::string& text);
  void say(base::Level level, const std::string& text);
  void say_once(std::size_t cell, const std::string& text);
  void pause(std::chrono::milliseconds time) const;
  void look_around();
  void work_on_cells();
  void work_until_over();

  bool claim(const std::string& key, bool waits, const std::string& does);
  void compare();
  void compare(const Group& group);
  void write_summary();

  const Plan& plan_;
  const std::vector<Cell>& cells_;
  const RunnerOptions options_;
  CellRuns runs_;
  base::Claims claims_;
  Schedule schedule_;
  std::map<std::size_t, std::string>
      failures_before_;  ///< marks of the records of cells that may be tried again
  std::vector<std::string> failures_;
  std::set<std::filesystem::path> failed_comparisons_;
  std::int64_t worked_ = 0;
  std::set<std::size_t> waited_for_;  ///< cells on which another process was found at work
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;  ///< guards failures_, worked_, waited_for_, and the calls to say and progressed
};

}  // namespace variform::study
