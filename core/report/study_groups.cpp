// See study_groups.h.

#include "report/study_groups.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "report/png_grid.h"

namespace variform::report {

Place place_of(const StudyRow& row) {
  Place place{row.stage, row.evaluation, row.epoch, row.labels};
  std::sort(place.labels.begin(), place.labels.end());
  return place;
}

bool is_metric(const std::string& metric, const std::string& asked) {
  return metric == asked || (metric.starts_with(asked) && metric[asked.size()] == '[');
}

Rows rows_of(const StudyResults& results, const Selection& selection,
             const std::vector<std::string>& metrics) {
  Rows rows;
  for (const std::string& metric : metrics)
    for (const StudyRow& row : results.rows)
      if (is_metric(row.metric, metric) && row.epoch.has_value() == selection.along &&
          selection.fits(row.stage, row.evaluation, row.labels))
        rows.push_back(&row);
  return rows;
}

std::string label_on(const StudyRow& row, const std::string& axis) {
  if (axis == "metric") return row.metric;
  if (axis == "evaluation") return row.evaluation;
  if (axis == "stage") return row.stage;
  return label_of(row.labels, axis);
}

std::string label_on(const StudyResults::File& file, const std::string& axis) {
  if (axis == "evaluation") return file.evaluation;
  if (axis == "stage") return file.stage;
  return label_of(file.labels, axis);
}

std::string label_on(const StudyResults::Cell& cell, const std::string& axis) {
  return axis == "stage" ? cell.stage : label_of(cell.labels, axis);
}

Interval interval_of(const Rows& rows) {
  std::vector<double> values;
  std::map<Labels, const StudyRow*> seen;
  const auto mixed = [&](const char* what, const std::string& a, const std::string& b) {
    throw Error(rows[0]->metric + " of the " + what + "s " + a + " and " + b +
                " would be averaged: choose one by " + what + " = \"" + a + "\".");
  };
  for (const StudyRow* row : rows) {
    if (row->metric != rows[0]->metric)
      throw Error(
          rows[0]->metric + " and " + row->metric +
          " would be averaged, which are of different protocols: choose one, or give their axis a place.");
    if (row->evaluation != rows[0]->evaluation) mixed("evaluation", rows[0]->evaluation, row->evaluation);
    const auto [other, fresh] = seen.emplace(row->labels, row);
    if (!fresh && other->second->stage != row->stage) mixed("stage", other->second->stage, row->stage);
    values.push_back(row->value);
  }
  return interval_of(std::move(values));
}

std::optional<double> as_number(const std::string& label) {
  double value = 0;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), value);
  if (error != std::errc() || end != label.data() + label.size()) return {};
  return value;
}

std::string title_of(const std::optional<std::string>& name, const std::string& axis,
                     const std::string& label) {
  const std::string before = name ? *name : as_number(label) ? short_name(axis) : std::string();
  return before.empty() || label.empty() ? label : before + " " + label;
}

}  // namespace variform::report
