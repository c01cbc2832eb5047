// See groups.h.

#include "study/groups.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>

#include "config/node.h"
#include "config/text.h"
#include "draw/png_grid.h"

namespace variform::study {

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

namespace {

// Says why a figure or table of this metric has no row, with the name that may have been meant.
std::string absent(const StudyResults& results, const Selection& selection, const std::string& metric) {
  std::set<std::string> here, anywhere;
  for (const StudyRow& row : results.rows) {
    anywhere.insert(row.metric);
    if (row.epoch.has_value() == selection.along && selection.fits(row.stage, row.evaluation, row.labels))
      here.insert(row.metric);
  }
  const auto has = [&](const std::string& name) { return is_metric(name, metric); };
  if (std::any_of(anywhere.begin(), anywhere.end(), has))
    return "no run that it chooses has " + metric + (selection.along ? " along the training." : ".");
  const std::string near = config::did_you_mean(metric, {here.begin(), here.end()});
  return "no run of the study has " + metric + (selection.along ? " along the training" : "") +
         (near.empty() ? "." : "; " + near);
}

// Returns each seed's mean over the other axes; nothing unless all seeds have the same labels on those.
std::optional<std::vector<double>> means_of_seeds(const Rows& rows) {
  std::map<std::string, std::map<Labels, std::vector<double>>> by_seed;
  for (const StudyRow* row : rows) {
    Labels others = row->labels;
    std::erase_if(others, [](const auto& label) { return label.first == "seed"; });
    by_seed[row->seed ? std::to_string(*row->seed) : label_of(row->labels, "seed")][others].push_back(
        row->value);
  }
  std::vector<double> means;
  for (const auto& [seed, values] : by_seed) {
    const auto& first = by_seed.begin()->second;
    const bool same = std::equal(values.begin(), values.end(), first.begin(), first.end(),
                                 [](const auto& a, const auto& b) { return a.first == b.first; });
    if (!same) return {};
    double sum = 0, count = 0;
    for (const auto& [labels, of_labels] : values) {
      sum += std::accumulate(of_labels.begin(), of_labels.end(), 0.0);
      count += static_cast<double>(of_labels.size());
    }
    means.push_back(sum / count);
  }
  return means;
}

// Returns the axes, except the seed, on which rows differ; the stage, if nothing else differs besides the seed.
std::set<std::string> differing_axes(const Rows& rows) {
  std::set<std::string> over;
  bool stages = false;
  for (const StudyRow* row : rows) {
    stages = stages || row->stage != rows[0]->stage;
    add_differing(row->labels, rows[0]->labels, over);
  }
  if (stages) over.insert("stage");
  return over;
}

}  // namespace

void add_differing(const Labels& one, const Labels& other, std::set<std::string>& axes) {
  for (const Labels* labels : {&one, &other})
    for (const auto& [axis, label] : *labels)
      if (axis != "seed" && label_of(one, axis) != label_of(other, axis)) axes.insert(axis);
}

Rows asked_rows(const StudyResults& results, const Selection& selection,
                const std::vector<std::string>& metrics, const std::string& what) {
  for (const std::string& metric : metrics)
    if (!results.undefined.contains(metric) && rows_of(results, selection, {metric}).empty())
      throw base::Error(what + ": " + absent(results, selection, metric));
  const Rows rows = rows_of(results, selection, metrics);
  if (rows.empty())
    throw base::Error(what + ": " + config::join(metrics) +
                      " is not defined for any run; its evaluation says why.");
  return rows;
}

Interval interval_of(const Rows& rows) {
  std::vector<double> values;
  std::map<Labels, const StudyRow*> seen;
  const auto mixed = [&](const char* what, const std::string& a, const std::string& b) {
    throw base::Error(rows[0]->metric + " of the " + what + "s " + a + " and " + b +
                      " would be averaged: choose one by " + what + " = \"" + a + "\".");
  };
  for (const StudyRow* row : rows) {
    if (row->metric != rows[0]->metric)
      throw base::Error(
          rows[0]->metric + " and " + row->metric +
          " would be averaged, which are of different protocols: choose one, or give their axis a place.");
    if (row->evaluation != rows[0]->evaluation) mixed("evaluation", rows[0]->evaluation, row->evaluation);
    const auto [other, fresh] = seen.emplace(row->labels, row);
    if (!fresh && other->second->stage != row->stage) mixed("stage", other->second->stage, row->stage);
    values.push_back(row->value);
  }
  Interval interval = interval_of(values);
  interval.over = differing_axes(rows);
  if (rows.size() == 1) interval.error = rows[0]->error;
  std::set<std::string> axes = interval.over;
  axes.erase("stage");
  if (axes.empty()) return interval;
  const auto means = means_of_seeds(rows);
  interval.half = means ? interval_of(*means).half : std::nullopt;
  return interval;
}

void Averages::add(const Interval& interval) {
  over_.insert(interval.over.begin(), interval.over.end());
  intervals_ = intervals_ || interval.half.value_or(0) > 0;
  errors_ = errors_ || interval.error.value_or(0) > 0;
  none_ = none_ || (!interval.over.empty() && !interval.half);
}

std::string Averages::over() const { return config::join({over_.begin(), over_.end()}); }

std::string Averages::note(const std::string& mark, const std::string& caption) const {
  std::vector<std::string> parts;
  if (!over_.empty())
    parts.push_back("Averaged over " + over() +
                    (none_ ? "; an interval needs several seeds with the same labels there." : "."));
  const bool explained = caption.find("interval") != std::string::npos;
  if (intervals_ && errors_)
    parts.push_back(mark + ": 95 % interval over seeds; of a single run" + (mark == "±" ? " (†)" : "") +
                    ", the standard error over data.");
  else if (errors_) parts.push_back(mark + ": standard error over data, of one run each.");
  else if (intervals_ && !explained) parts.push_back(mark + ": 95 % interval over seeds.");
  return config::join(parts, " ");
}

std::string legend_title(const std::string& series, const std::vector<std::string>& labels,
                         const std::string& averaged_over) {
  std::vector<std::string> axes, parts;
  for (std::size_t start = 0; start < series.size();) {
    const std::size_t end = std::min(series.find(kAxisSeparator, start), series.size());
    axes.push_back(series.substr(start, end - start));
    start = end + 1;
  }
  const bool numbers = std::any_of(labels.begin(), labels.end(), [](const std::string& label) {
    const std::size_t comma = label.rfind(", ");
    return as_number(label.substr(comma == std::string::npos ? 0 : comma + 2)) ||
           as_number(label.substr(0, label.find(", ")));
  });
  if (numbers) parts.push_back(config::join(short_names(axes)));
  if (!averaged_over.empty()) parts.push_back("means over " + averaged_over);
  return config::join(parts, "; ");
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

}  // namespace variform::study
