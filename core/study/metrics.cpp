// See metrics.h.

#include "study/metrics.h"

#include <algorithm>
#include <set>

#include "base/utf8.h"
#include "config/reader.h"
#include "config/text.h"
#include "study/groups.h"
#include "study/specs.h"

namespace variform::study {
namespace {

using config::Reader;

// ------------------------------------------------------------------------------------------------------- reading

// Returns the position of a text's byte in the config: past the quote, in characters. None for the command line.
config::Position inside(config::Position where, const std::string& text, std::size_t offset) {
  if (where.is_command_line() || where.column == 0) return where;
  where.column += 1 + static_cast<int>(base::utf8_count(std::string_view(text).substr(0, offset)));
  return where;
}

Expression read_value(Reader& reader) {
  const std::string text = reader.text("value");
  const Expression nothing("0");
  if (!reader.source().find("value") || !reader.source().find("value")->if_text())
    return nothing;  // already reported
  try {
    return Expression(text);
  } catch (const ExpressionError& error) {
    reader.diagnostics().error(inside(reader.where("value"), text, error.offset()),
                               reader.full("value") + " is not an expression: " + error.what() + ".",
                               "metrics and numbers with + - * / ( ), log(), abs(), sqrt()");
    return nothing;
  }
}

std::map<std::string, std::string> read_against(Reader& reader, const std::vector<std::string>& axes) {
  Reader table = reader.table("against");
  std::map<std::string, std::string> against;
  for (const auto& member : table.source().members()) {
    if (std::find(axes.begin(), axes.end(), member.key) == axes.end())
      table.error(member.key, "@ is not an axis of this study.", config::did_you_mean(member.key, axes));
    against[member.key] = label_text(table, member.key);
  }
  return against;
}

// ------------------------------------------------------------------------------------------------------- adding

using Values = std::map<Place, std::map<std::string, std::size_t>>;  // index of the row of each metric

std::optional<double> value_at(const StudyResults& results, const Values& values, const Place& place,
                               const Expression& expression) {
  const auto found = values.find(place);
  if (found == values.end()) return {};
  return expression.value([&](const std::string& name) -> std::optional<double> {
    const auto metric = found->second.find(name);
    if (metric == found->second.end()) return {};
    return results.rows[metric->second].value;
  });
}

// Returns the value of the run that is like that of `place` but for the labels of `against`: of the same stage, or else
// of the only other stage that has it. Nothing unless the place has all of those axes.
std::optional<double> reference_value(const StudyResults& results, const Values& values, Place place,
                                      const std::vector<std::string>& stages, const MetricSpec& spec) {
  std::size_t found = 0;
  for (auto& [axis, label] : place.labels)
    if (const auto given = spec.against.find(axis); given != spec.against.end()) {
      label = given->second;
      ++found;
    }
  if (found < spec.against.size()) return {};
  if (const auto same = value_at(results, values, place, spec.value)) return same;
  std::optional<double> reference;
  for (const std::string& stage : stages) {
    place.stage = stage;
    const auto value = value_at(results, values, place, spec.value);
    if (value && reference) return {};
    if (value) reference = value;
  }
  return reference;
}

std::vector<std::string> stages_of(const StudyResults& results) {
  std::set<std::string> stages;
  for (const StudyRow& row : results.rows) stages.insert(row.stage);
  return {stages.begin(), stages.end()};
}

std::string missing(const StudyResults& results, const MetricSpec& spec) {
  std::set<std::string> known;
  for (const StudyRow& row : results.rows) known.insert(row.metric);
  std::vector<std::string> absent;
  for (const std::string& name : spec.value.names())
    if (!known.contains(name)) absent.push_back(name);
  const std::string start = "the metric " + spec.name + " has no value: no run has ";
  if (!absent.empty()) return start + config::join(absent) + ".";
  if (spec.against.empty())
    return start + "all of " + config::join(spec.value.names()) + " in one evaluation.";
  std::vector<std::string> labels;
  for (const auto& [axis, label] : spec.against) labels.push_back(axis + " = " + label);
  return start + config::join(spec.value.names()) + " beside a run with " + config::join(labels) +
         " that is like it otherwise.";
}

}  // namespace

std::vector<MetricSpec> read_metrics(const config::Node& metrics, const std::vector<std::string>& axes,
                                     config::Diagnostics& diagnostics) {
  std::vector<MetricSpec> specs;
  if (!metrics.if_array()) return specs;
  std::vector<std::string> names;
  for (const config::Node& element : *metrics.if_array()) {
    Reader reader(element, diagnostics, "study.metrics");
    MetricSpec spec{reader.text("name"), read_value(reader), read_against(reader, axes), {}};
    spec.where = read_selection(reader, axes);
    const bool chooses =
        !spec.where.where.empty() || !spec.where.evaluation.empty() || !spec.where.stage.empty();
    if (!chooses && std::find(names.begin(), names.end(), spec.name) != names.end())
      reader.error("name", "@ is taken already.");
    names.push_back(spec.name);
    reader.finish();
    specs.push_back(std::move(spec));
  }
  for (std::size_t i = 0; i < specs.size(); ++i)
    for (const std::string& name : specs[i].value.names())
      if (const auto first = std::find(names.begin(), names.end(), name);
          first != names.end() && first - names.begin() >= static_cast<std::ptrdiff_t>(i)) {
        Reader reader((*metrics.if_array())[i], diagnostics, "study.metrics");
        reader.error("value", "@ uses " + config::quote(name) + ", which is not defined before it.",
                     "metrics are made in the order of the file");
      }
  return specs;
}

std::vector<std::string> add_metrics(StudyResults& results, const std::vector<MetricSpec>& specs) {
  std::vector<std::string> problems;
  Values values;
  std::vector<Place> places;  // in the order of the rows
  for (std::size_t i = 0; i < results.rows.size(); ++i) {
    auto& metrics = values[place_of(results.rows[i])];
    if (metrics.empty()) places.push_back(place_of(results.rows[i]));
    metrics.try_emplace(results.rows[i].metric, i);
  }
  std::set<std::string> evaluated;
  for (const StudyRow& row : results.rows)
    if (!row.was_derived) evaluated.insert(row.metric);
  const std::vector<std::string> stages = stages_of(results);
  for (const MetricSpec& spec : specs) {
    if (evaluated.contains(spec.name)) {
      problems.push_back("the metric " + spec.name +
                         " already exists in the evaluations; give it another name.");
      continue;
    }
    const std::size_t before = results.rows.size();
    for (const Place& place : places) {
      if (!spec.where.fits(place.stage, place.evaluation, place.labels) || values[place].contains(spec.name))
        continue;
      auto value = value_at(results, values, place, spec.value);
      if (value && !spec.against.empty()) {
        const auto reference = reference_value(results, values, place, stages, spec);
        value = reference ? std::optional(*value - *reference) : std::nullopt;
      }
      if (!value) continue;
      std::map<std::string, std::size_t>& metrics = values[place];
      StudyRow row = results.rows[metrics.begin()->second];
      row.error.reset();
      if (spec.value.is_name() && spec.against.empty())
        row.error = results.rows[metrics.at(spec.value.names()[0])].error;
      row.metric = spec.name;
      row.value = *value;
      metrics[spec.name] = results.rows.size();
      results.rows.push_back(std::move(row));
    }
    const auto was_derived = [&](const StudyRow& row) { return row.was_derived && row.metric == spec.name; };
    const bool known = std::any_of(results.rows.begin(), results.rows.end(), was_derived);
    if (results.rows.size() == before && !known) problems.push_back(missing(results, spec));
  }
  return problems;
}

}  // namespace variform::study
