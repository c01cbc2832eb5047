#pragma once
// Groups a study's rows, evaluations and cells by the axes that a figure or table names. Rows are averaged over all
// other axes; if these are more than seeds, the caption says so.

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "study/results.h"
#include "study/specs.h"

namespace variform::study {

using Rows = std::vector<const StudyRow*>;

/// The properties that the rows of one evaluation of one run share.
struct Place {
  std::string stage, evaluation;
  std::optional<double> epoch;
  Labels labels;  ///< by the axes' names
  auto operator<=>(const Place&) const = default;
};
Place place_of(const StudyRow& row);

/// Whether a row's metric is the one asked for: "frechet_samples" is any "frechet_samples[PROTOCOL]".
bool is_metric(const std::string& metric, const std::string& asked);

/// Returns the rows of these metrics that fit, metric by metric.
Rows rows_of(const StudyResults& results, const Selection& selection,
             const std::vector<std::string>& metrics);

/// Returns the label on one axis; empty for an empty axis. "stage", "evaluation" and "metric" count as axes of items
/// that have them.
std::string label_on(const StudyRow& row, const std::string& axis);
std::string label_on(const StudyResults::File& file, const std::string& axis);
std::string label_on(const StudyResults::Cell& cell, const std::string& axis);

/// The same for several axes in one (kAxisSeparator): their labels, separated by commas.
template <class Item>
std::string coordinate(const Item& item, const std::string& axes) {
  std::string text;
  for (std::size_t start = 0; start <= axes.size();) {
    const std::size_t end = std::min(axes.find(kAxisSeparator, start), axes.size());
    const std::string label = label_on(item, axes.substr(start, end - start));
    text += (text.empty() || label.empty() ? "" : ", ") + label;
    start = end + 1;
  }
  return text;
}

/// Returns all coordinates of rows, files or cells: labels in the order of the study's cells, others in that of their
/// first occurrence.
template <class Item>
std::vector<std::string> distinct(const StudyResults& results, const std::vector<const Item*>& items,
                                  const std::string& axes) {
  std::vector<std::string> found;
  for (const Item* item : items)
    if (const std::string text = coordinate(*item, axes);
        std::find(found.begin(), found.end(), text) == found.end())
      found.push_back(text);
  results.sort_labels(axes, found);
  return found;
}

/// Returns the items with this coordinate.
template <class Item>
std::vector<const Item*> only(const std::vector<const Item*>& items, const std::string& axes,
                              const std::string& text) {
  std::vector<const Item*> found;
  for (const Item* item : items)
    if (coordinate(*item, axes) == text) found.push_back(item);
  return found;
}

/// Returns the rows of these metrics that fit. Throws Error, with the nearest name, when no run of the study has one of
/// the metrics, or none that fits. `what`: "the table losses has nothing to show".
Rows asked_rows(const StudyResults& results, const Selection& selection,
                const std::vector<std::string>& metrics, const std::string& what);

/// Computes the mean and interval at one place of a figure or table. The interval is over seeds: where the rows also
/// differ in another axis, each seed counts with its mean over that axis. There is no interval unless all seeds have
/// the same labels there. Throws Error where rows of different evaluations, or of different stages with the same
/// labels, would be averaged.
Interval interval_of(const Rows& rows);

/// Adds the axes, except the seed, on which two runs differ.
void add_differing(const Labels& one, const Labels& other, std::set<std::string>& axes);

/// Collects what a figure or table averages over and what its error bars are, for sentences in its caption.
class Averages {
 public:
  void add(const Interval& interval);
  /// "model.prior.type, objective.beta"; empty when nothing but seeds was averaged.
  std::string over() const;
  bool has_errors() const { return errors_; }
  bool has_intervals() const { return intervals_; }
  /// Returns the sentences, without those that `caption` makes superfluous. `mark` stands for errors: "±" or "Bars".
  std::string note(const std::string& mark, const std::string& caption) const;

 private:
  std::set<std::string> over_;
  bool intervals_ = false, errors_ = false, none_ = false;
};

/// Returns the title of a legend: what all values are averaged over, and the names of the series' axes where labels are
/// numbers. May be empty.
std::string legend_title(const std::string& series, const std::vector<std::string>& labels,
                         const std::string& averaged_over = {});

/// Returns a label as a number, if it is one.
std::optional<double> as_number(const std::string& label);

/// Returns a label with `name` before it: "β = 0.1". Without a name, numbers get that of their axis: "beta 0.1".
std::string title_of(const std::optional<std::string>& name, const std::string& axis,
                     const std::string& label);

}  // namespace variform::study
