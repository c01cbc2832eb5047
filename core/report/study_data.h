#pragma once
// What came out of a study, from its study.json and the evaluations in its run folders: one row a number. Needs no
// model and no plugin, so that tables and figures are made again without training.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace variform::report {

/// One number of one run, or of a comparison of runs (then without hash and seed).
struct StudyRow {
  std::string stage, evaluation, metric;
  std::vector<std::pair<std::string, std::string>> labels;  ///< axis and label
  std::optional<double> epoch;                              ///< nothing: at the end of the training
  std::optional<std::int64_t> step;
  double value = 0;
  std::optional<double> error;  ///< standard error over data
  std::string hash;
  std::optional<std::uint64_t> seed;
};

struct StudyResults {
  std::string name, title;
  std::vector<std::string> axes;  ///< of all stages, in order
  std::vector<StudyRow> rows;
  /// Evaluations whole, for arrays: which cell (its labels), evaluation, file.
  struct File {
    std::string stage, evaluation;
    std::vector<std::pair<std::string, std::string>> labels;
    std::filesystem::path file, run;
  };
  std::vector<File> files;
};

/// The value of a label; empty when there is no such axis.
std::string label_of(const std::vector<std::pair<std::string, std::string>>& labels, const std::string& axis);

/// Reads STUDY/study.json and what it names; `runs` is where the run folders are. A metric of a section goes by its own
/// name too ("mutual_information"). Throws Error for a folder without study.json, and for an evaluation that is gone.
StudyResults read_study(const std::filesystem::path& folder, const std::filesystem::path& runs);

/// All rows: stage, the axes, evaluation, epoch, step, metric, value, standard error, hash, seed. Numbers round-trip.
std::string csv_of(const StudyResults& results);

/// Mean of some values with the half width of its 95 % interval by Student's t (none for one value).
struct Interval {
  double mean = 0;
  std::optional<double> half;
  std::vector<double> values;
};
Interval interval_of(std::vector<double> values);

/// Rows of one metric (and evaluation, and labels) that fit, in groups: see study_figures.h.
struct Selection {
  std::string metric, evaluation;
  std::string stage;                                      ///< empty: any
  std::map<std::string, std::vector<std::string>> where;  ///< axis: labels that are wanted
  bool along = false;                                     ///< rows along the training, instead of at its end
};
std::vector<const StudyRow*> select(const StudyResults& results, const Selection& selection);

}  // namespace variform::report
