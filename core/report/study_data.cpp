// See study_data.h.

#include "report/study_data.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/name.h"
#include "base/quote.h"
#include "config/load.h"
#include "config/text.h"
#include "report/png_grid.h"

namespace variform::report {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

// Nothing if there is no such file, or no JSON object in it.
std::optional<json> read_json(const fs::path& file) {
  std::ifstream stream(file);
  json found = json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!found.is_object()) return {};
  return found;
}

std::string gone(const std::vector<fs::path>& files) {
  const std::size_t more = files.size() - 1;
  return "the result " + files[0].string() +
         (more == 0 ? " is" : " and " + std::to_string(more) + " more are") +
         " gone or damaged; run the study again, it makes what is missing.";
}

Labels labels_of(const json& entry) {
  Labels labels;
  for (const json& label : entry.at("labels"))
    labels.emplace_back(label.at(0).get<std::string>(), label.at(1).get<std::string>());
  return labels;
}

// The file that an entry of study.json names: below that folder, and nowhere else.
fs::path inside(const fs::path& folder, const json& entry) {
  const fs::path file = entry.at("file").get<std::string>();
  const bool leads_away =
      std::any_of(file.begin(), file.end(), [](const fs::path& part) { return part == ".."; });
  if (file.is_absolute() || leads_away)
    throw Error("the study's study.json names the file " + config::quote(file.string()) +
                ", which does not lie in " + folder.string() + ".");
  return folder / file;
}

// Adds one row for each number of an evaluation: at the top, { mean, se } in `values`, { value, se } in other sections.
// Of two numbers with one name the second goes by its section's name, too.
class Flatten {
 public:
  Flatten(StudyRow like, StudyResults& results) : like_(std::move(like)), results_(results) {}

  void all(const json& result) {
    for (const auto& [name, entry] : result.items())
      if (entry.is_number()) add("", name, entry, nullptr);
    for (const auto& [name, entry] : result.items())
      if (entry.is_object()) section(name, entry);
  }

 private:
  void section(const std::string& section, const json& entries) {
    for (const auto& [name, entry] : entries.items()) {
      if (!entry.is_object()) continue;
      if (entry.contains("undefined")) results_.undefined.insert(name);
      const char* key = entry.contains("mean") ? "mean" : "value";
      if (entry.contains(key)) add(section, name, entry.at(key), entry.value("se", json()));
    }
  }
  void add(const std::string& section, const std::string& name, const json& value, const json& error) {
    if (!value.is_number()) return;
    StudyRow row = like_;
    row.metric = names_.insert(name).second ? name : section + "." + name;
    row.value = value.get<double>();
    if (error.is_number()) row.error = error.get<double>();
    results_.rows.push_back(std::move(row));
  }

  const StudyRow like_;
  StudyResults& results_;
  std::set<std::string> names_;
};

using Digests = std::map<std::string, std::string>;  // plugin's id and SHA-256

// What made the numbers besides the config: plugins and data.
class Sources {
 public:
  // Which plugins trained a run; of what data. Nothing where environment.json does not say.
  static std::pair<Digests, std::string> of_run(const fs::path& run) {
    const json environment = read_json(run / "environment.json").value_or(json::object());
    std::pair<Digests, std::string> found;
    if (const auto list = environment.find("plugins"); list != environment.end() && list->is_array())
      for (const json& plugin : *list)
        if (plugin.is_object() && plugin.value("id", json()).is_string() &&
            plugin.value("sha256", json()).is_string())
          found.first[plugin.at("id")] = plugin.at("sha256");
    if (const auto data = environment.find("data_fingerprint");
        data != environment.end() && data->is_string())
      found.second = data->get<std::string>();
    return found;
  }

  // Takes note of the data of a run; which data set they are of is what its config says.
  void add_data(const fs::path& run, const std::string& fingerprint) {
    if (fingerprint.empty()) return;
    config::Diagnostics ignored;
    const config::Node config = config::parse_file((run / "config.resolved.toml").string(), ignored);
    const config::Node* dataset = config::at_path(config, "data.dataset");
    data_[dataset ? config::print_value(*dataset) : ""].insert(fingerprint);
  }

  // Eight digits for the plugins that trained and those that evaluated; empty where neither is known.
  std::string add(const Digests& trained, const json& evaluation) {
    Digests evaluated;
    if (const auto table = evaluation.find("plugins"); table != evaluation.end() && table->is_object())
      for (const auto& [id, digest] : table->items())
        if (digest.is_string()) evaluated[id] = digest.get<std::string>();
    std::string lines;
    for (const Digests* digests : {&trained, static_cast<const Digests*>(&evaluated)})
      for (const auto& [id, digest] : *digests) {
        seen_[id].insert(digest);
        if (digests == &trained || !trained.contains(id) || trained.at(id) != digest)
          lines += id + " " + digest + "\n";
      }
    return lines.empty() ? "" : config::short_hash(lines);
  }

  std::vector<std::string> warnings() const {
    std::vector<std::string> found;
    for (const auto& [id, digests] : seen_) {
      if (digests.size() < 2) continue;
      std::vector<std::string> all;
      for (const std::string& digest : digests) all.push_back(digest.substr(0, 12));
      found.push_back("the results are of different code of the plugin " + id + " (" + config::join(all) +
                      "), side by side in tables and figures; results.csv tells them apart in its column "
                      "`plugins`.");
    }
    for (const auto& [dataset, fingerprints] : data_)
      if (fingerprints.size() > 1)
        found.push_back("the data set " + config::shorten(dataset) + " was not the same for all runs (" +
                        config::join({fingerprints.begin(), fingerprints.end()}) +
                        "), whose results stand side by side in tables and figures; results.csv tells them "
                        "apart in its column `data`.");
    return found;
  }

 private:
  std::map<std::string, std::set<std::string>> seen_, data_;
};

void add_evaluation(StudyResults& results, const json& cell, const json& evaluation, const fs::path& run,
                    const std::pair<Digests, std::string>& made_by, Sources& sources,
                    std::vector<fs::path>& lost) {
  const fs::path file = inside(run, evaluation);
  const std::optional<json> result = read_json(file);
  if (!result) return lost.push_back(file);
  const json& found = *result;
  StudyRow row;
  row.stage = cell.at("stage").get<std::string>();
  row.evaluation = evaluation.at("name").get<std::string>();
  row.labels = labels_of(cell);
  if (evaluation.at("epoch").is_number()) row.epoch = evaluation.at("epoch").get<double>();
  if (found.contains("step")) row.step = found.at("step").get<std::int64_t>();
  row.hash = cell.at("hash").get<std::string>();
  row.seed = cell.at("seed").get<std::uint64_t>();
  row.commit = found.value("commit", "");
  row.plugins = sources.add(made_by.first, found);
  row.data = made_by.second;
  results.files.push_back({row.stage, row.evaluation, row.labels, row.epoch, file, run});
  Flatten(row, results).all(found);
}

void add_cell(StudyResults& results, const json& cell, const fs::path& runs, Sources& sources,
              std::vector<fs::path>& lost) {
  StudyResults::Cell entry{cell.at("stage").get<std::string>(), labels_of(cell), {}, {}, {}};
  for (const auto& [axis, label] : entry.labels) {
    const auto place = std::find(results.axes.begin(), results.axes.end(), axis) - results.axes.begin();
    if (place == std::ssize(results.axes)) {
      results.axes.push_back(axis);
      results.axis_labels.emplace_back();
    }
    std::vector<std::string>& labels = results.axis_labels[static_cast<std::size_t>(place)];
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
  }
  if (cell.contains("run")) {  // else it is not done yet
    const std::string run = cell.at("run").get<std::string>();
    if (const std::string problem = base::name_problem(run); !problem.empty())
      throw Error("the study's study.json names a run " + config::quote(run) +
                  ", which is no name: " + problem + ".");
    entry.run = runs / run;
    entry.seed = cell.at("seed").get<std::uint64_t>();
    for (const json& picture : cell.value("pictures", json::array()))
      entry.pictures.push_back({picture.at("name").get<std::string>(), inside(entry.run, picture)});
    const auto made_by = Sources::of_run(entry.run);
    sources.add_data(entry.run, made_by.second);
    for (const json& evaluation : cell.at("evaluations"))
      add_evaluation(results, cell, evaluation, entry.run, made_by, sources, lost);
  }
  results.cells.push_back(std::move(entry));
}

std::string number(double value) { return std::isfinite(value) ? config::format_plain(value) : "nan"; }

}  // namespace

std::string label_of(const Labels& labels, const std::string& axis) {
  for (const auto& [name, label] : labels)
    if (name == axis) return label;
  return {};
}

void StudyResults::sort_labels(const std::string& axis, std::vector<std::string>& texts) const {
  const auto place = std::find(axes.begin(), axes.end(), axis) - axes.begin();
  if (place == std::ssize(axes)) return;
  const std::vector<std::string>& order = axis_labels[static_cast<std::size_t>(place)];
  const auto rank = [&](const std::string& text) { return std::find(order.begin(), order.end(), text); };
  std::stable_sort(texts.begin(), texts.end(),
                   [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
}

std::vector<std::size_t> StudyResults::cells_of(const std::string& stage, const Labels& of_cell) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < cells.size(); ++i)
    if (cells[i].stage == stage && std::all_of(of_cell.begin(), of_cell.end(), [&](const auto& label) {
          return label_of(cells[i].labels, label.first) == label.second;
        }))
      found.push_back(i);
  return found;
}

std::vector<std::size_t> StudyResults::cells_of(const std::vector<const StudyRow*>& shown) const {
  std::set<std::pair<std::string, Labels>> seen;
  std::set<std::size_t> found;
  for (const StudyRow* row : shown)
    if (seen.emplace(row->stage, row->labels).second)
      for (const std::size_t cell : cells_of(row->stage, row->labels)) found.insert(cell);
  return {found.begin(), found.end()};
}

StudyResults read_study(const fs::path& folder, const fs::path& runs) {
  const std::optional<json> summary = read_json(folder / "study.json");
  if (!summary)
    throw Error("there is no study in " + folder.string() +
                " (no study.json); run: variform study STUDY.toml");
  const json& study = *summary;
  std::vector<fs::path> lost;
  StudyResults results;
  Sources sources;
  results.name = study.at("name").get<std::string>();
  results.title = study.at("title").get<std::string>();
  for (const json& cell : study.at("cells")) add_cell(results, cell, runs, sources, lost);
  for (const json& comparison : study.at("comparisons")) {
    StudyRow row;
    row.stage = comparison.at("stage").get<std::string>();
    row.evaluation = comparison.at("name").get<std::string>();
    row.labels = labels_of(comparison);
    const fs::path file = inside(folder, comparison);
    const std::optional<json> found = read_json(file);
    if (!found) {
      lost.push_back(file);
      continue;
    }
    row.commit = found->value("commit", "");
    row.plugins = sources.add({}, *found);
    Flatten(row, results).all(*found);
    results.files.push_back({row.stage, row.evaluation, row.labels, {}, file, {}});
  }
  results.warnings = sources.warnings();
  if (!lost.empty()) results.problems.push_back(gone(lost));
  return results;
}

std::string csv_of(const StudyResults& results) {
  std::string text = "stage";
  for (const std::string& axis : results.axes) text += "," + base::csv_cell(axis);
  text += ",evaluation,epoch,step,metric,value,se,hash,run_seed,commit,plugins,data\n";
  for (const StudyRow& row : results.rows) {
    text += base::csv_cell(row.stage);
    for (const std::string& axis : results.axes) text += "," + base::csv_cell(label_of(row.labels, axis));
    text += "," + base::csv_cell(row.evaluation) + "," + (row.epoch ? number(*row.epoch) : "end") + "," +
            (row.step ? std::to_string(*row.step) : "") + "," + base::csv_cell(row.metric) + "," +
            number(row.value) + "," + (row.error ? number(*row.error) : "") + "," + base::csv_cell(row.hash) +
            "," + (row.seed ? std::to_string(*row.seed) : "") + "," + base::csv_cell(row.commit) + "," +
            row.plugins + "," + base::csv_cell(row.data) + "\n";
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

}  // namespace variform::report
