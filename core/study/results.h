#pragma once
// Reads the results of a study from its study.json and the evaluations in its run folders: one row per number. Needs no
// model and no plugin, so that tables and figures can be made again without training.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace variform::study {

using Labels = std::vector<std::pair<std::string, std::string>>;  ///< axis and label

/// One number of one run, or of a comparison of runs (then without hash and seed).
struct StudyRow {
  std::string stage, evaluation, metric;
  Labels labels;
  std::optional<double> epoch;  ///< nothing: at the end of the training
  std::optional<std::int64_t> step;
  double value = 0;
  std::optional<double> error;  ///< standard error over data
  std::string hash;
  std::optional<std::uint64_t> seed;
  std::string commit;   ///< of the program that evaluated; empty: not known
  std::string plugins;  ///< eight digits that stand for the code of all plugins used; empty: not known
  std::string data;     ///< fingerprint of the data that the run was trained on; empty: not known
  bool was_derived =
      false;  ///< a derived metric, computed before (the section "derived" of restored results)
};

struct StudyResults {
  std::string name, title;
  std::vector<std::string> axes;                      ///< of all stages, in order
  std::vector<std::vector<std::string>> axis_labels;  ///< of each axis, in order
  std::vector<StudyRow> rows;

  /// The points of the grid.
  struct Cell {
    std::string stage;
    Labels labels;
    std::filesystem::path run;  ///< its folder; empty: not done yet
    std::optional<std::uint64_t> seed;
    struct Picture {
      std::string name;
      std::filesystem::path file;
    };
    std::vector<Picture> pictures;
  };
  std::vector<Cell> cells;

  /// Files of evaluations and comparisons, for arrays.
  struct File {
    std::string stage, evaluation;
    Labels labels;
    std::optional<double> epoch;
    std::filesystem::path file, run;  ///< of comparisons without run
  };
  std::vector<File> files;

  std::vector<std::string> problems;  ///< sentences: evaluations and comparisons that could not be read
  std::vector<std::string> warnings;  ///< sentences: plugins and data that differ between results
  std::map<std::string, std::string> units;  ///< of metrics, as far as evaluations name them
  std::set<std::string> undefined;           ///< metrics that evaluations name as undefined, with a reason

  /// Sorts labels of an axis into the axis' order; texts of "metric" and the like stay as they are.
  void sort_labels(const std::string& axis, std::vector<std::string>& texts) const;

  /// Returns the indices of the cells to which rows belong, by stage and labels.
  std::vector<std::size_t> cells_of(const std::vector<const StudyRow*>& shown) const;
  std::vector<std::size_t> cells_of(const std::string& stage, const Labels& of_cell) const;
};

/// Returns the label on an axis; empty when there is no such axis.
std::string label_of(const Labels& labels, const std::string& axis);

/// Reads STUDY/study.json and the files that it names; `runs` is where the run folders are. A metric of a section has
/// its own name ("mutual_information"); where two share a name, also SECTION.NAME. Missing or damaged files become
/// problems of the results. Throws Error for a folder without study.json.
StudyResults read_study(const std::filesystem::path& folder, const std::filesystem::path& runs);

/// Returns all rows as CSV: stage, the axes, evaluation, epoch, step, metric, value, standard error, hash, seed,
/// commit, plugins, data. Numbers are read back exactly.
std::string csv_of(const StudyResults& results);

/// The mean of some values with the half width of its 95 % interval by Student's t (none for a single value).
struct Interval {
  double mean = 0;
  std::optional<double> half{};
  std::vector<double> values{};
  std::optional<double>
      error{};  ///< of one value of one run: the standard error over data that its evaluation gives
  std::set<std::string> over{};  ///< axes, besides the seed, on which the values differ
};
Interval interval_of(std::vector<double> values);

}  // namespace variform::study
