// See study_data.h.

#include "report/study_data.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "report/png_grid.h"

namespace variform::report {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

json read_json(const fs::path& file, const std::string& otherwise) {
  std::ifstream stream(file);
  json found = json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!found.is_object()) throw Error(otherwise);
  return found;
}

std::vector<std::pair<std::string, std::string>> labels_of(const json& entry) {
  std::vector<std::pair<std::string, std::string>> labels;
  for (const json& label : entry.at("labels"))
    labels.emplace_back(label.at(0).get<std::string>(), label.at(1).get<std::string>());
  return labels;
}

// Adds one row for each number of an evaluation: { mean, se } in `values`, { value, se } in the other sections.
class Flatten {
 public:
  Flatten(StudyRow like, std::vector<StudyRow>& rows) : like_(std::move(like)), rows_(rows) {}

  void all(const json& result) {
    for (const auto& [name, entry] : result.items()) {
      if (entry.is_number()) add(name, entry, nullptr);
      if (entry.is_object()) section(entry);
    }
  }

 private:
  void section(const json& section) {
    for (const auto& [name, entry] : section.items()) {
      if (!entry.is_object()) continue;
      const char* key = entry.contains("mean") ? "mean" : "value";
      if (entry.contains(key)) add(name, entry.at(key), entry.value("se", json()));
    }
  }
  void add(const std::string& metric, const json& value, const json& error) {
    if (!value.is_number()) return;
    StudyRow row = like_;
    row.metric = metric;
    row.value = value.get<double>();
    if (error.is_number()) row.error = error.get<double>();
    rows_.push_back(std::move(row));
  }

  const StudyRow like_;
  std::vector<StudyRow>& rows_;
};

void add_cell(StudyResults& results, const json& cell, const fs::path& runs) {
  if (!cell.contains("run")) return;  // not done yet
  const fs::path run = runs / cell.at("run").get<std::string>();
  for (const json& evaluation : cell.at("evaluations")) {
    const fs::path file = run / evaluation.at("file").get<std::string>();
    const json found =
        read_json(file, "the evaluation " + file.string() +
                            " is gone or damaged; run the study again, it makes what is missing.");
    StudyRow row;
    row.stage = cell.at("stage").get<std::string>();
    row.evaluation = evaluation.at("name").get<std::string>();
    row.labels = labels_of(cell);
    if (evaluation.at("epoch").is_number()) row.epoch = evaluation.at("epoch").get<double>();
    if (found.contains("step")) row.step = found.at("step").get<std::int64_t>();
    row.hash = cell.at("hash").get<std::string>();
    row.seed = cell.at("seed").get<std::uint64_t>();
    results.files.push_back({row.stage, row.evaluation, row.labels, file, run});
    Flatten(row, results.rows).all(found);
  }
}

std::string number(double value) {
  if (!std::isfinite(value)) return "nan";
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string field(const std::string& text) {
  if (text.find_first_of("\",\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string label_of(const std::vector<std::pair<std::string, std::string>>& labels,
                     const std::string& axis) {
  for (const auto& [name, label] : labels)
    if (name == axis) return label;
  return {};
}

StudyResults read_study(const fs::path& folder, const fs::path& runs) {
  const json study = read_json(folder / "study.json", "there is no study in " + folder.string() +
                                                          " (no study.json); run: variform study STUDY.toml");
  StudyResults results;
  results.name = study.at("name").get<std::string>();
  results.title = study.at("title").get<std::string>();
  for (const json& cell : study.at("cells")) {
    for (const auto& [axis, label] : labels_of(cell))
      if (std::find(results.axes.begin(), results.axes.end(), axis) == results.axes.end())
        results.axes.push_back(axis);
    add_cell(results, cell, runs);
  }
  for (const json& comparison : study.at("comparisons")) {
    StudyRow row;
    row.stage = comparison.at("stage").get<std::string>();
    row.evaluation = comparison.at("name").get<std::string>();
    row.labels = labels_of(comparison);
    const fs::path file = folder / comparison.at("file").get<std::string>();
    Flatten(row, results.rows)
        .all(read_json(file, "the comparison " + file.string() + " is gone or damaged."));
    results.files.push_back({row.stage, row.evaluation, row.labels, file, {}});
  }
  return results;
}

std::string csv_of(const StudyResults& results) {
  std::string text = "stage";
  for (const std::string& axis : results.axes) text += "," + field(axis);
  text += ",evaluation,epoch,step,metric,value,se,hash,run_seed\n";
  for (const StudyRow& row : results.rows) {
    text += field(row.stage);
    for (const std::string& axis : results.axes) text += "," + field(label_of(row.labels, axis));
    text += "," + field(row.evaluation) + "," + (row.epoch ? number(*row.epoch) : "end") + "," +
            (row.step ? std::to_string(*row.step) : "") + "," + field(row.metric) + "," + number(row.value) +
            "," + (row.error ? number(*row.error) : "") + "," + row.hash + "," +
            (row.seed ? std::to_string(*row.seed) : "") + "\n";
  }
  return text;
}

Interval interval_of(std::vector<double> values) {
  Interval interval;
  interval.values = std::move(values);
  const auto n = static_cast<double>(interval.values.size());
  interval.mean = std::accumulate(interval.values.begin(), interval.values.end(), 0.0) / n;
  if (interval.values.size() < 2) return interval;
  const auto [low, high] = std::minmax_element(interval.values.begin(), interval.values.end());
  if (*low == *high) {  // what depends on no seed: no rounding of a sum in mean and width
    interval.mean = *low;
    interval.half = 0;
    return interval;
  }
  double squares = 0;
  for (const double value : interval.values) squares += (value - interval.mean) * (value - interval.mean);
  const boost::math::students_t distribution(n - 1);
  interval.half = boost::math::quantile(distribution, 0.975) * std::sqrt(squares / (n - 1) / n);
  return interval;
}

std::vector<const StudyRow*> select(const StudyResults& results, const Selection& selection) {
  std::vector<const StudyRow*> rows;
  for (const StudyRow& row : results.rows) {
    if (row.metric != selection.metric || row.epoch.has_value() != selection.along) continue;
    if (!selection.evaluation.empty() && row.evaluation != selection.evaluation) continue;
    if (!selection.stage.empty() && row.stage != selection.stage) continue;
    const bool fits = std::all_of(selection.where.begin(), selection.where.end(), [&](const auto& condition) {
      const std::string label = label_of(row.labels, condition.first);
      return std::find(condition.second.begin(), condition.second.end(), label) != condition.second.end();
    });
    if (fits) rows.push_back(&row);
  }
  return rows;
}

}  // namespace variform::report
