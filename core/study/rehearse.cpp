// See rehearse.h.

#include "study/rehearse.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/file.h"
#include "base/frames.h"
#include "base/json_file.h"
#include "study/process.h"

namespace variform::study {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr const char* kRows = "--limit=16";  // few, but enough for every statistic

// Gives undefined metrics a value: a trained model may define what an untrained one does not.
void define_all(json& result) {
  for (auto& [name, section] : result.items()) {
    if (!section.is_object()) continue;
    for (auto& [metric, entry] : section.items())
      if (entry.is_object() && entry.contains("undefined")) entry = {{"value", 0.0}, {"se", nullptr}};
  }
}

class Rehearser {
 public:
  Rehearser(const Plan& plan, const std::vector<Cell>& cells, const RehearsalOptions& options)
      : plan_(plan), cells_(cells), options_(options) {}

  Rehearsal run() {
    fs::create_directories(options_.folder / "runs");
    fs::create_directories(options_.folder / "study");
    for (std::size_t i = 0; i < cells_.size(); ++i) kinds_[kind_of(cells_[i])].push_back(i);
    found_.kinds = kinds_.size();
    for (std::size_t i = 0; i < cells_.size(); ++i)
      if (kinds_.at(kind_of(cells_[i])).front() == i && !options_.interrupted()) try_kind(i);
    write_summary();
    return found_;
  }

 private:
  using Made = std::map<const Task*, std::string>;  // an evaluation or drawing, and its file below the run

  std::string run_name(std::size_t cell) const {
    return "kind-" + std::to_string(kinds_.at(kind_of(cells_[cell])).front() + 1);
  }
  fs::path run_folder(std::size_t cell) const { return options_.folder / "runs" / run_name(cell); }

  void problem(std::size_t cell, const std::string& what) {
    const std::size_t others = kinds_.at(kind_of(cells_[cell])).size() - 1;
    found_.problems.push_back("the cell " + text_of(cells_[cell]) +
                              (others ? fmt::format(" and {} like it: ", others) : ": ") + what);
  }

  void try_kind(std::size_t cell) {
    const auto absent = [&](std::size_t need) { return !built_.contains(run_name(need)); };
    if (std::any_of(cells_[cell].needs.begin(), cells_[cell].needs.end(), absent))
      return problem(cell, "not tried, since a run that it builds on could not be built");
    const fs::path config = options_.folder / (run_name(cell) + ".toml");
    try {
      const Resolved resolved = options_.build(
          with_runs(plan_, cells_, cell, [&](std::size_t other) { return run_folder(other).string(); }));
      base::write_text_file(config, resolved.config);
    } catch (const std::exception& error) {
      return problem(cell, base::without_frames(error.what()));
    }
    options_.say(text_of(cells_[cell]));
    if (!execute(cell, {"train", config.string(), "--folder", run_folder(cell).string(), "--stop-at", "0",
                        "--no-figures", "--quiet", "--processes", "1"}))
      return;
    built_.insert(run_name(cell));
    for (const Evaluation& evaluation : plan_.evaluations)
      if (is_for_kind(evaluation, cell)) evaluate(cell, evaluation);
    for (const Drawing& drawing : plan_.drawings)
      if (is_for_kind(drawing, cell)) draw(cell, drawing);
  }

  bool is_for_kind(const Task& task, std::size_t cell) const {
    const auto& all = kinds_.at(kind_of(cells_[cell]));
    return std::any_of(all.begin(), all.end(),
                       [&](std::size_t other) { return is_for(task, cells_[other], plan_); });
  }

  // Runs a command; when it fails, its output becomes a problem.
  bool execute(std::size_t cell, std::vector<std::string> arguments) {
    const std::string name = arguments[0];
    arguments.insert(arguments.begin(), options_.program.string());
    arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
    const fs::path log = options_.folder / fmt::format("log-{}.txt", commands_++);
    if (study::execute(arguments, log, options_.interrupted).code == 0) return true;
    if (!options_.interrupted()) problem(cell, "`" + name + "` would fail:\n" + text_since(log, 0));
    return false;
  }

  // Reads the result of a command, with all metrics defined. If there is none although the command succeeded, that is a
  // problem.
  bool read_result(std::size_t cell, const char* command, const fs::path& file, json& result) {
    try {
      result = base::JsonFile(file).root().raw();
    } catch (const base::JsonError& error) {
      problem(cell,
              std::string("`") + command + "` ended as if all were well, without a result: " + error.what());
      return false;
    }
    define_all(result);
    return true;
  }

  void evaluate(std::size_t cell, const Evaluation& evaluation) {
    const std::string file = evaluation.name + ".json";
    std::vector<std::string> arguments{"evaluate", run_folder(cell).string()}, not_tried;
    for (const std::string& option : evaluation.options) {
      const std::string name = option.substr(0, option.find('='));
      if (name == "--limit" || name == "--dump") continue;
      if (const auto cheap = options_.cheaper.find(name);
          cheap != options_.cheaper.end() && !option.ends_with("=0")) {
        arguments.push_back(name + "=" + cheap->second);
        continue;
      }
      const auto costly = std::find_if(options_.costly.begin(), options_.costly.end(),
                                       [&](const auto& one) { return one.first == name; });
      if (costly == options_.costly.end()) arguments.push_back(option);
      else not_tried.insert(not_tried.end(), costly->second.begin(), costly->second.end());
    }
    arguments.insert(arguments.end(), {kRows, "--quiet", "--out", (run_folder(cell) / file).string()});
    if (!execute(cell, std::move(arguments))) return;
    json result;
    if (!read_result(cell, "evaluate", run_folder(cell) / file, result)) return;
    for (const std::string& metric : not_tried)
      result["not tried"][metric] = {{"value", 0.0}, {"se", nullptr}};
    base::write_text_file(run_folder(cell) / file, result.dump());
    made_[run_name(cell)][&evaluation] = file;
  }

  void draw(std::size_t cell, const Drawing& drawing) {
    const std::string file = drawing.name + ".png";
    std::vector<std::string> arguments{drawing.command, run_folder(cell).string()};
    arguments.insert(arguments.end(), drawing.options.begin(), drawing.options.end());
    arguments.insert(arguments.end(), {"--quiet", "--out", (run_folder(cell) / file).string()});
    if (execute(cell, std::move(arguments))) made_[run_name(cell)][&drawing] = file;
  }

  // Makes one comparison of each kind of group, of the untrained run with itself: the numbers mean nothing, but the
  // names are right.
  json comparisons() {
    json all = json::array();
    std::set<std::string> tried, listed;
    for (const Comparison& comparison : plan_.comparisons)
      for (std::size_t i = 0; i < cells_.size(); ++i) {
        if (!is_for(comparison, cells_[i], plan_) || !label_of(cells_[i], comparison.over) ||
            !built_.contains(run_name(i)))
          continue;
        const std::string file = comparison.name + "-" + run_name(i) + ".json";
        if (tried.insert(file).second) compare(i, comparison, options_.folder / "study" / file);
        if (!fs::exists(options_.folder / "study" / file)) continue;
        json entry = {{"name", comparison.name},
                      {"over", comparison.over},
                      {"stage", plan_.stages[cells_[i].stage].name},
                      {"labels", json::array()},
                      {"file", file}};
        for (const auto& [axis, label] : cells_[i].labels)
          if (axis != comparison.over) entry["labels"].push_back({axis, label});
        if (listed.insert(entry.dump()).second) all.push_back(std::move(entry));
      }
    return all;
  }

  void compare(std::size_t cell, const Comparison& comparison, const fs::path& file) {
    const std::string run = run_folder(cell).string();
    std::vector<std::string> arguments{"compare", run, run};
    for (const std::string& option : comparison.options)
      if (!option.starts_with("--limit")) arguments.push_back(option);
    arguments.insert(arguments.end(), {kRows, "--quiet", "--out", file.string()});
    if (!execute(cell, std::move(arguments))) return;
    json result;
    if (!read_result(cell, "compare", file, result)) return;
    base::write_text_file(file, result.dump());
  }

  void write_summary() {
    json summary = {{"name", plan_.name}, {"title", plan_.title}, {"cells", json::array()}};
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      json cell = {{"cell", i + 1}, {"stage", plan_.stages[cells_[i].stage].name}, {"labels", json::array()}};
      for (const auto& [axis, label] : cells_[i].labels) cell["labels"].push_back({axis, label});
      if (built_.contains(run_name(i))) {
        cell["run"] = run_name(i);
        cell["hash"] = "";
        cell["seed"] = std::hash<std::string>()(label_of(cells_[i], "seed").value_or("")) % 1'000'000;
        cell["evaluations"] = cell["pictures"] = json::array();
        const Made& made = made_[run_name(i)];
        const auto add = [&](const char* where, const Task& task, const json& epoch) {
          if (const auto file = made.find(&task); file != made.end() && is_for(task, cells_[i], plan_))
            cell[where].push_back({{"name", task.name}, {"file", file->second}, {"epoch", epoch}});
        };
        for (const Evaluation& evaluation : plan_.evaluations) {
          for (const double epoch : evaluation.epochs) add("evaluations", evaluation, epoch);
          if (evaluation.at_end) add("evaluations", evaluation, "end");
        }
        for (const Drawing& drawing : plan_.drawings) add("pictures", drawing, "end");
      }
      summary["cells"].push_back(std::move(cell));
    }
    summary["comparisons"] = comparisons();
    base::write_text_file(options_.folder / "study" / "study.json", summary.dump());
  }

  const Plan& plan_;
  const std::vector<Cell>& cells_;
  const RehearsalOptions& options_;
  std::map<std::string, std::vector<std::size_t>> kinds_;  // cells of each
  std::set<std::string> built_;                            // names of runs
  std::map<std::string, Made> made_;                       // by name of the run
  std::size_t commands_ = 0;
  Rehearsal found_;
};

}  // namespace

Rehearsal rehearse(const Plan& plan, const std::vector<Cell>& cells, const RehearsalOptions& options) {
  return Rehearser(plan, cells, options).run();
}

}  // namespace variform::study
