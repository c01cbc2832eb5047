#pragma once
// Rows of a study's results in groups: by the axes that a figure or table names. What no axis names is averaged.

#include <optional>
#include <string>
#include <vector>

#include "report/study_data.h"
#include "report/study_specs.h"

namespace variform::report {

using Rows = std::vector<const StudyRow*>;

/// What rows of one evaluation of one run have in common.
struct Place {
  std::string stage, evaluation;
  std::optional<double> epoch;
  Labels labels;  ///< by the axes' names
  auto operator<=>(const Place&) const = default;
};
Place place_of(const StudyRow& row);

/// Whether a row's metric is the one asked for: "frechet_samples" is any "frechet_samples[PROTOCOL]".
bool is_metric(const std::string& metric, const std::string& asked);

/// The rows of these metrics that fit, metric by metric.
Rows rows_of(const StudyResults& results, const Selection& selection,
             const std::vector<std::string>& metrics);

/// A row's label on an axis, "metric", "evaluation" or "stage"; empty for an empty axis. Of several axes (see join_axes):
/// their labels, with commas between.
std::string coordinate(const StudyRow& row, const std::string& axis);

/// All coordinates on an axis: labels in the order of the study's cells, others in that of first sight.
std::vector<std::string> distinct(const StudyResults& results, const Rows& rows, const std::string& axis);

/// Those with this coordinate.
Rows only(const Rows& rows, const std::string& axis, const std::string& text);

/// Mean and interval of what one place of a figure or table shows. Throws Error where rows of different evaluations, or
/// of different stages with the same labels, would be averaged.
Interval interval_of(const Rows& rows);

/// The number that a label is, if it is one.
std::optional<double> as_number(const std::string& label);

/// A label with `name` before it: "β = 0.1". Without a name, numbers have that of their axis: "beta 0.1".
std::string title_of(const std::optional<std::string>& name, const std::string& axis,
                     const std::string& label);

}  // namespace variform::report
