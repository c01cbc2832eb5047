// See results.h.

#include "study/results.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "base/contents.h"
#include "base/json_file.h"
#include "base/name.h"
#include "base/quote.h"
#include "config/load.h"
#include "config/run_environment.h"
#include "config/text.h"
#include "draw/png_grid.h"

namespace variform::study {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

// A result that is missing or cannot be used, and why.
struct Lost {
  fs::path file;
  std::string why;
};

// Returns one sentence for all lost results, and why those that exist cannot be read.
std::string gone(const std::vector<Lost>& lost) {
  constexpr int kShown = 3;
  const std::size_t more = lost.size() - 1;
  std::string text = "the result " + lost[0].file.string() +
                     (more == 0 ? " is" : fmt::format(" and {} more are", more)) +
                     " gone or damaged; run the study again to make what is missing.";
  int shown = 0;
  for (const Lost& one : lost)
    if (base::is_there(one.file) && shown++ < kShown) text += "\n  " + one.why;
  return text;
}

Labels labels_of(const base::JsonValue& entry) {
  Labels labels;
  for (const base::JsonValue& label : entry.at("labels").elements()) {
    const std::vector<base::JsonValue> pair = label.elements();
    if (pair.size() != 2) label.fail("an axis and its label");
    labels.emplace_back(pair[0].text(), pair[1].text());
  }
  return labels;
}

// Returns the file that an entry of study.json names. Throws unless it lies below that folder.
fs::path inside(const fs::path& folder, const base::JsonValue& entry) {
  const fs::path file = entry.at("file").text();
  const bool leads_away =
      std::any_of(file.begin(), file.end(), [](const fs::path& part) { return part == ".."; });
  if (file.is_absolute() || leads_away)
    throw base::Error("the study's study.json names the file " + config::quote(file.string()) +
                      ", which does not lie in " + folder.string() + ".");
  return folder / file;
}

// Adds one row for each number of an evaluation: at the top, { mean, se } in `values`, { value, se } in other sections.
// Of two numbers with one name the second is also called by its section's name.
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
      if (entry.contains("unit") && entry.at("unit").is_string())
        results_.units.try_emplace(name, entry.at("unit").get<std::string>());
      const char* key = entry.contains("mean") ? "mean" : "value";
      if (entry.contains(key)) add(section, name, entry.at(key), entry.value("se", json()));
    }
  }
  void add(const std::string& section, const std::string& name, const json& value, const json& error) {
    if (!value.is_number()) return;
    StudyRow row = like_;
    row.metric = names_.insert(name).second ? name : section + "." + name;
    row.value = value.get<double>();
    row.was_derived = section == "derived";
    if (error.is_number()) row.error = error.get<double>();
    results_.rows.push_back(std::move(row));
  }

  const StudyRow like_;
  StudyResults& results_;
  std::set<std::string> names_;
};

using Digests = std::map<std::string, std::string>;  // plugin's id and SHA-256

// The plugins and data behind the numbers, which may differ between runs of one config.
class Sources {
 public:
  // Returns the plugins that trained a run, and its data's fingerprint. Problems of environment.json become warnings.
  std::pair<Digests, std::string> of_run(const fs::path& run) {
    const config::RunEnvironment environment = config::environment_of(run);
    problems_.insert(environment.problems.begin(), environment.problems.end());
    std::pair<Digests, std::string> found;
    if (environment.plugins)
      for (const auto& plugin : *environment.plugins) found.first[plugin.id] = plugin.sha256;
    found.second = environment.data_fingerprint;
    return found;
  }

  // Records the fingerprint of a run's data for the data set that its config names.
  void add_data(const fs::path& run, const std::string& fingerprint) {
    if (fingerprint.empty()) return;
    config::Diagnostics ignored;
    const config::Node config = config::parse_file((run / "config.resolved.toml").string(), ignored);
    const config::Node* dataset = config::at_path(config, "data.dataset");
    data_[dataset ? config::print_value(*dataset) : ""].insert(fingerprint);
  }

  // Returns eight digits for the plugins that trained and those that evaluated; empty where neither is known.
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
    std::vector<std::string> found(problems_.begin(), problems_.end());
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
  std::set<std::string> problems_;
};

// Reads an evaluation or comparison; nothing if it is lost.
std::optional<json> result_in(const fs::path& file, std::vector<Lost>& lost) {
  try {
    const base::JsonFile result(file);
    if (!result.root().raw().is_object()) result.root().fail("an object");
    if (const auto step = result.root().find("step")) step->integer(0);
    if (const auto commit = result.root().find("commit")) commit->text();
    return result.root().raw();
  } catch (const base::JsonError& error) {
    lost.push_back({file, error.what()});
    return {};
  }
}

void add_evaluation(StudyResults& results, const base::JsonValue& cell, const base::JsonValue& evaluation,
                    const fs::path& run, const std::pair<Digests, std::string>& made_by, Sources& sources,
                    std::vector<Lost>& lost) {
  const fs::path file = inside(run, evaluation);
  const std::optional<json> result = result_in(file, lost);
  if (!result) return;
  const json& found = *result;
  StudyRow row;
  row.stage = cell.at("stage").text();
  row.evaluation = evaluation.at("name").text();
  row.labels = labels_of(cell);
  if (const auto epoch = evaluation.find("epoch"); epoch && epoch->raw().is_number())
    row.epoch = epoch->number();
  if (const auto step = found.find("step"); step != found.end() && step->is_number())
    row.step = step->get<std::int64_t>();
  row.hash = cell.at("hash").text();
  row.seed = cell.at("seed").unsigned_integer();
  row.commit = found.value("commit", json()).is_string() ? found.at("commit").get<std::string>() : "";
  row.plugins = sources.add(made_by.first, found);
  row.data = made_by.second;
  results.files.push_back({row.stage, row.evaluation, row.labels, row.epoch, file, run});
  Flatten(row, results).all(found);
}

void add_cell(StudyResults& results, const base::JsonValue& cell, const fs::path& runs, Sources& sources,
              std::vector<Lost>& lost) {
  StudyResults::Cell entry{cell.at("stage").text(), labels_of(cell), {}, {}, {}};
  for (const auto& [axis, label] : entry.labels) {
    const auto place = std::find(results.axes.begin(), results.axes.end(), axis) - results.axes.begin();
    if (place == std::ssize(results.axes)) {
      results.axes.push_back(axis);
      results.axis_labels.emplace_back();
    }
    std::vector<std::string>& labels = results.axis_labels[static_cast<std::size_t>(place)];
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
  }
  if (const auto run = cell.find("run")) {  // else it is not done yet
    if (const std::string problem = base::name_problem(run->text()); !problem.empty())
      throw base::Error("the study's study.json names a run " + config::quote(run->text()) +
                        ", which is not a name: " + problem + ".");
    entry.run = runs / run->text();
    entry.seed = cell.at("seed").unsigned_integer();
    if (const auto pictures = cell.find("pictures"))
      for (const base::JsonValue& picture : pictures->elements())
        entry.pictures.push_back({picture.at("name").text(), inside(entry.run, picture)});
    const auto made_by = sources.of_run(entry.run);
    sources.add_data(entry.run, made_by.second);
    for (const base::JsonValue& evaluation : cell.at("evaluations").elements())
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

StudyResults read_study(const fs::path& folder, const fs::path& runs) try {
  if (!base::is_there(folder / "study.json"))
    throw base::Error("there is no study in " + folder.string() +
                      " (no study.json); run: variform study STUDY.toml");
  const base::JsonFile summary(folder / "study.json");
  const base::JsonValue study = summary.root();
  std::vector<Lost> lost;
  StudyResults results;
  Sources sources;
  results.name = study.at("name").text();
  results.title = study.at("title").text();
  for (const base::JsonValue& cell : study.at("cells").elements())
    add_cell(results, cell, runs, sources, lost);
  for (const base::JsonValue& comparison : study.at("comparisons").elements()) {
    StudyRow row;
    row.stage = comparison.at("stage").text();
    row.evaluation = comparison.at("name").text();
    row.labels = labels_of(comparison);
    const fs::path file = inside(folder, comparison);
    const std::optional<json> found = result_in(file, lost);
    if (!found) continue;
    row.commit = found->value("commit", json()).is_string() ? found->at("commit").get<std::string>() : "";
    row.plugins = sources.add({}, *found);
    Flatten(row, results).all(*found);
    results.files.push_back({row.stage, row.evaluation, row.labels, {}, file, {}});
  }
  results.warnings = sources.warnings();
  if (!lost.empty()) results.problems.push_back(gone(lost));
  return results;
} catch (const base::JsonError& error) {
  throw base::Error(std::string(error.what()) + " The same `variform study` as before writes it again.");
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
  if (*low == *high) {  // independent of the seed: keeps rounding errors of the sum out of mean and width
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

}  // namespace variform::study
