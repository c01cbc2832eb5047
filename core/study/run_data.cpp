// See run_data.h.

#include "study/run_data.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/contents.h"
#include "base/json_file.h"
#include "base/quote.h"
#include "config/difference.h"
#include "config/load.h"
#include "config/run_metrics.h"
#include "config/text.h"
#include "draw/png_grid.h"

namespace variform::study {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr std::size_t kMostPanels = 6;

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

std::string y_label(const std::string& value, const std::string& unit, const std::string& split) {
  return (unit.empty() ? value : unit) + " (" + split + ")";
}

// Returns the unit of what a training logs, which metrics.jsonl does not name. The loss and the parts that the SDK's
// convention names are in nats per example; of other parts of an objective nothing is known.
std::string unit_of_logged(const std::string& name) {
  for (const char* known : {"loss", "nll", "kl", "elbo"})
    if (name == known) return "nats per example";
  return "";
}

std::set<std::string> values_of(const std::vector<json>& lines, const std::string& split) {
  std::set<std::string> names;
  for (const json& line : lines)
    if (line.value("split", "") == split)
      for (const auto& [name, value] : line.items())
        if (value.is_number()) names.insert(name);
  return names;
}

std::set<std::string> splits_of(const std::vector<json>& lines) {
  std::set<std::string> splits;
  for (const json& line : lines) splits.insert(line.value("split", ""));
  return splits;
}

draw::Series series_of(const RunSource& run, const std::vector<json>& lines, const std::string& x,
                       const std::string& y, const std::string& split) {
  draw::Series series{run.label, {}, {}};
  for (const json& line : lines) {
    if (line.value("split", "") != split || !line.contains(x) || !line.contains(y)) continue;
    if (!line[x].is_number()) continue;
    series.x.push_back(line[x].get<double>());
    series.y.push_back(line[y].is_number() ? line[y].get<double>()
                                           : std::numeric_limits<double>::quiet_NaN());
  }
  return series;
}

// Returns the values of a split that all runs have, the loss first.
std::vector<std::string> common_values(const std::vector<std::vector<json>>& metrics, const std::string& x,
                                       const std::string& split) {
  std::set<std::string> common = values_of(metrics.front(), split);
  for (const auto& lines : metrics) {
    const std::set<std::string> own = values_of(lines, split);
    std::erase_if(common, [&](const std::string& name) { return !own.contains(name); });
  }
  for (const std::string& axis : {std::string("step"), std::string("epoch"), x}) common.erase(axis);
  std::vector<std::string> values;
  if (common.erase("loss")) values.push_back("loss");
  for (const std::string& name : common)
    if (values.size() < kMostPanels) values.push_back(name);
  return values;
}

// Returns the values of an evaluation, and those of its sections in the same shape.
json evaluation_of(const RunSource& run, const std::string& split) {
  const fs::path path = run.folder / ("evaluation-" + split + ".json");
  const std::string again = "make it with: variform evaluate " + base::for_shell(run.folder.string()) +
                            (split == "test" ? "" : " --split " + split) + ".";
  if (!base::is_there(path))
    throw base::Error("run " + run.folder.string() + " has no evaluation on the split '" + split +
                      "' (evaluation-" + split + ".json); " + again);
  json all = json::object();
  const auto add = [&](const std::string& name, const base::JsonValue& entry, const char* key) {
    json kept = entry.raw();
    if (const auto value = entry.find(key)) kept["mean"] = value->number();
    else kept.erase("mean");
    if (const auto why = entry.find("undefined")) why->text();
    all[name] = std::move(kept);
  };
  try {
    const base::JsonFile file(path);
    for (const auto& [name, entry] : file.root().at("values").members()) add(name, entry, "mean");
    for (const auto& [section, entries] : file.root().members()) {
      if (section == "values" || !entries.raw().is_object()) continue;
      for (const auto& [name, entry] : entries.members())
        if (entry.raw().is_object() && entry.find("what") && !all.contains(name)) add(name, entry, "value");
    }
  } catch (const base::JsonError& error) {
    throw base::Error(std::string(error.what()) + " It is not an evaluation of this program any more; " +
                      again);
  }
  return all;
}

}  // namespace

std::vector<std::string> damaged_metrics(const std::vector<RunSource>& runs) {
  std::vector<std::string> found;
  for (const RunSource& run : runs)
    if (std::string text = config::metrics_of(run.folder).sentence(run.folder / "metrics.jsonl");
        !text.empty())
      found.push_back(std::move(text));
  return found;
}

std::vector<RunSource> sources(const std::vector<fs::path>& folders) {
  config::Diagnostics diagnostics;
  std::vector<config::Node> configs;
  std::set<fs::path> seen;
  for (const fs::path& folder : folders) {
    if (!fs::exists(folder / "config.resolved.toml"))
      throw base::Error("expected a run folder, but " + folder.string() +
                        " holds no config.resolved.toml; `variform runs list` names the runs.");
    if (!seen.insert(fs::canonical(folder)).second)
      throw base::Error("run " + folder.string() + " is given twice.");
    configs.push_back(config::parse_file((folder / "config.resolved.toml").string(), diagnostics));
  }
  diagnostics.throw_if_any();
  const std::vector<std::string> labels = config::labels(configs);
  const bool tell_apart = std::set<std::string>(labels.begin(), labels.end()).size() == labels.size() &&
                          std::find(labels.begin(), labels.end(), "") == labels.end();
  std::vector<RunSource> runs;
  for (std::size_t i = 0; i < folders.size(); ++i)
    runs.push_back({folders[i], tell_apart ? labels[i] : fs::canonical(folders[i]).filename().string()});
  return runs;
}

draw::Figure curves(const std::vector<RunSource>& runs, const std::string& x, std::vector<std::string> values,
                    std::string split) {
  std::vector<std::vector<json>> metrics;
  for (const RunSource& run : runs) metrics.push_back(config::metrics_of(run.folder).lines);
  if (metrics.empty()) throw base::Error("a figure needs at least one run.");
  if (split.empty()) {
    split = "train";
    for (const std::string& other : splits_of(metrics.front()))
      if (other != "train") split = other;
  }
  if (values.empty()) values = common_values(metrics, x, split);
  if (values.empty())
    throw base::Error("the runs have no value in common on the split '" + split + "'; " +
                      runs.front().folder.string() +
                      " has the splits: " + joined(splits_of(metrics.front())) + ".");
  draw::Figure figure{draw::FigureKind::kCurves, {}};
  for (const std::string& value : values) {
    draw::Panel panel{value, x, y_label(value, unit_of_logged(value), split), {}};
    panel.x_quantity = x;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      panel.series.push_back(series_of(runs[i], metrics[i], x, value, split));
      if (!panel.series.back().y.empty()) continue;
      const std::set<std::string> names = values_of(metrics[i], split);
      throw base::Error("run " + runs[i].folder.string() + " has no '" + (names.contains(x) ? value : x) +
                        "' on the split '" + split + "'; it has: " + joined(names) +
                        (names.empty() ? ". Its splits: " + joined(splits_of(metrics[i])) : "") + ".");
    }
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

draw::Figure evaluations(const std::vector<RunSource>& runs, const std::vector<std::string>& values,
                         const std::string& split) {
  draw::Figure figure{draw::FigureKind::kBars, {}};
  for (const std::string& value : values) {
    draw::Panel panel{value, "", y_label(value, "", split), {}};
    for (const RunSource& run : runs) {
      const json all = evaluation_of(run, split);
      std::set<std::string> defined;
      for (const auto& [name, entry] : all.items())
        if (entry.contains("mean")) defined.insert(name);
      if (!defined.contains(value)) {
        const json none = json::object();
        const std::string reason = all.value(value, none).value("undefined", "");
        throw base::Error("run " + run.folder.string() + " has no value '" + value + "' on the split '" +
                          split + "'" + (reason.empty() ? "" : " (" + reason + ")") +
                          "; it has: " + joined(defined) + ".");
      }
      const json& entry = all[value];
      if (entry.contains("unit") && entry["unit"].is_string())  // those of an earlier version name none
        panel.y_label = y_label(value, entry["unit"].get<std::string>(), split);
      const double none = std::numeric_limits<double>::quiet_NaN();
      panel.series.push_back(
          {run.label,
           {},
           {entry["mean"].get<double>()},
           {entry.contains("se") && entry["se"].is_number() ? entry["se"].get<double>() : none}});
    }
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

}  // namespace variform::study
