#pragma once
// What came out of a study, from its study.json and the evaluations in its run folders: one row a number. Needs no
// model and no plugin, so that tables and figures are made again without training.

#include <cstdint>
#include <filesystem>
#include <optional>
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
  std::string plugins;  ///< eight digits that stand for the code of all plugins at work; empty: not known
  std::string data;     ///< fingerprint of the data that the run was trained on; empty: not known
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

  /// Evaluations and comparisons whole, for arrays.
  struct File {
    std::string stage, evaluation;
    Labels labels;
    std::optional<double> epoch;
    std::filesystem::path file, run;  ///< of comparisons without run
  };
  std::vector<File> files;

  std::vector<std::string> problems;  ///< sentences: evaluations and comparisons that could not be read
  std::vector<std::string> warnings;  ///< sentences: plugins and data that are not the same for all results
  std::set<std::string> undefined;    ///< metrics that evaluations name, and say why they have no value

  /// Brings labels of an axis into their order; texts of "metric" and the like stay as they are.
  void sort_labels(const std::string& axis, std::vector<std::string>& texts) const;

  /// Indices of the cells that rows are of: of the row's stage, with its labels.
  std::vector<std::size_t> cells_of(const std::vector<const StudyRow*>& shown) const;
  std::vector<std::size_t> cells_of(const std::string& stage, const Labels& of_cell) const;
};

/// The value of a label; empty when there is no such axis.
std::string label_of(const Labels& labels, const std::string& axis);

/// Reads STUDY/study.json and what it names; `runs` is where the run folders are. A metric of a section goes by its own
/// name ("mutual_information"), where two have one name by SECTION.NAME too. What is gone or damaged is a
/// problem of the results. Throws Error for a folder without study.json.
StudyResults read_study(const std::filesystem::path& folder, const std::filesystem::path& runs);

/// All rows: stage, the axes, evaluation, epoch, step, metric, value, standard error, hash, seed, commit, plugins, data.
/// Numbers round-trip.
std::string csv_of(const StudyResults& results);

/// Mean of some values with the half width of its 95 % interval by Student's t (none for one value).
struct Interval {
  double mean = 0;
  std::optional<double> half{};
  std::vector<double> values{};
  std::optional<double>
      error{};  ///< of one value of one run: the standard error over data that its evaluation gives
  std::set<std::string> over{};  ///< axes, besides the seed, that the values differ in
};
Interval interval_of(std::vector<double> values);

}  // namespace variform::study
