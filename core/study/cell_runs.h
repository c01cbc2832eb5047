#pragma once
// The runs of a study's cells as they are on disk: which run is a cell's, what of it is done, and what study.json says
// of all of them. Trains nothing.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "study/cell_record.h"
#include "study/plan.h"

namespace variform::study {

/// A cell's resolved config: its text with all defaults, and the run that it describes.
struct Resolved {
  std::string config;  ///< TOML, re-runnable by itself
  std::string name;    ///< of the experiment
  std::string hash;    ///< identity but for the seed
  std::uint64_t seed = 0;
  std::string
      former_hash;  ///< the same as earlier programs wrote it into names of runs; empty: there is none

  /// What is common to all names of the run, in whichever study: "HASH-SEED".
  std::string key() const { return hash + "-" + std::to_string(seed); }
};

struct CellRunsOptions {
  std::filesystem::path runs;                            ///< where run folders are
  std::filesystem::path folder;                          ///< of this study: cells, logs, study.json
  std::function<Resolved(const config::Node&)> resolve;  ///< throws config::Error
  /// Returns a sentence when a run was trained with other plugins than the present ones, else nothing. Its results are
  /// then not mixed with new ones: the run is kept under another name and trained again, unless such runs are accepted.
  std::function<std::string(const std::filesystem::path& run)> changed;
  bool accept_changed_plugins = false;
  std::function<void(base::Level, const std::string&)> say;  ///< one line: progress (kInfo), or a warning
};

/// The progress of a cell.
struct State {
  enum class Stage { kWaiting, kUntrained, kPartly, kDone, kOtherPlugins } stage = Stage::kUntrained;
  std::filesystem::path run;                  ///< empty while it waits for the runs that it needs
  std::size_t results = 0, results_done = 0;  ///< evaluations and pictures
};

/// A command on a run, and the file that it writes.
struct Step {
  std::string name;
  bool picture = false;
  std::vector<std::string> command;  ///< without the run: "evaluate", its options
  std::optional<double> epoch;       ///< nothing: at the end
};

/// Runs that are compared with each other: cells of one stage that differ along one axis only.
struct Group {
  const Comparison* comparison;
  std::size_t stage;
  std::vector<std::pair<std::string, std::string>> labels;  ///< common to all of them
  std::vector<std::string> runs;                            ///< of the cells that are done
  std::filesystem::path file;                               ///< of the result, below the study's folder
  std::size_t first;                                        ///< a cell of the group
  bool is_complete = true;                                  ///< all its cells are done
};

/// May be used by several threads.
class CellRuns {
 public:
  CellRuns(const Plan& plan, const std::vector<Cell>& cells, CellRunsOptions options);

  /// Resolves a cell's config; nothing while a run that it builds on is missing.
  std::optional<Resolved> resolved(std::size_t cell);
  /// Returns the run's folder. A run with this hash and seed counts under any name: another study may have made it.
  std::filesystem::path run_of(const Resolved& resolved) const;
  /// Returns a sentence if a run with the cell's hash and seed has another config, else nothing: the hash is short, and
  /// an unlucky one would put another model's numbers into the results.
  std::string foreign(const std::filesystem::path& run, const Resolved& resolved) const;
  /// Whether foreign() has said something about a run.
  bool is_foreign(const std::filesystem::path& run) const;
  /// Returns what is to be made of a cell's run, in the order of the training.
  std::vector<Step> steps_of(std::size_t cell) const;
  std::filesystem::path file_of(const std::filesystem::path& run, const Step& step) const;
  /// Returns a text that stands for all that is to be done for a cell.
  std::string key_of(std::size_t cell, const Resolved& resolved) const;
  /// Returns the record of a cell, if it is of the same work.
  std::optional<CellRecord> record_of(std::size_t cell, const Resolved& resolved) const;
  /// Whether a record says that a cell is done, and its run is there. Costs a hundredth of done(), which looks into all
  /// files.
  bool is_done_by(const std::optional<CellRecord>& record) const;
  /// Says why a run's results are of other code than results made now would be; empty if they are not.
  std::string changed(const std::filesystem::path& run) const;
  bool done(std::size_t cell, const std::filesystem::path& run) const;
  /// The same for the cell's own run; false while it cannot be resolved.
  bool done(std::size_t cell);
  /// Keeps a run of other plugins, and those that were built on it, under other names, where no study looks for them.
  void set_aside(std::size_t cell, const std::string& why);

  /// Returns the progress of every cell.
  std::vector<State> states();
  /// Returns the comparisons of at least two runs that are done.
  std::vector<Group> groups();
  /// Writes study.json. Run folders are relative to the folder of runs, so that both may be moved together.
  void write_summary();

 private:
  const Plan& plan_;
  const std::vector<Cell>& cells_;
  const CellRunsOptions options_;
  std::map<std::size_t, Resolved> resolved_;                      ///< cells that have been asked for
  mutable std::map<std::filesystem::path, std::string> foreign_;  ///< what foreign() has found out
  mutable std::recursive_mutex mutex_;  ///< guards these, and the calls to resolve, changed and say
};

/// Returns the folder of the claims of all studies that share a folder of runs.
std::filesystem::path claims_of(const std::filesystem::path& runs);
/// Returns eight digits that stand for some texts.
std::string hash_of(const std::vector<std::string>& texts);
/// Returns a number as a config would have it.
std::string plain(double value);
/// Says why a file is not a complete result; empty: it is one.
std::string why_no_result(const std::filesystem::path& file, bool is_picture);
bool has_result(const std::filesystem::path& file, bool is_picture);

}  // namespace variform::study
