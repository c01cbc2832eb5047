// check STUDY.toml: a dry run.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/study_file.h"
#include "config/text.h"
#include "measure/quality.h"
#include "study/figures/figures.h"
#include "study/tables.h"
#include "study/rehearse.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

// What is wrong with the configs of all cells, each sentence once. What builds on other runs is judged when these are
// there.
std::vector<std::string> wrong_configs(const Common& common, const Study& study) {
  std::vector<std::string> order;
  std::map<std::string, std::pair<std::size_t, std::string>> cells;
  for (const study::Cell& cell : study.cells) {
    if (!cell.needs.empty()) continue;
    try {
      config::Diagnostics diagnostics = study.sources;
      resolve(cell.config, study, common, diagnostics);
      diagnostics.throw_if_any();
    } catch (const config::Error& error) {
      const auto [entry, fresh] = cells.try_emplace(error.what(), 0, study::text_of(cell));
      if (fresh) order.push_back(entry->first);
      ++entry->second.first;
    }
  }
  std::vector<std::string> problems;
  for (const std::string& text : order)
    problems.push_back(std::to_string(cells[text].first) + " of the cells, such as " + cells[text].second +
                       ":\n" + text);
  return problems;
}

// Tables, figures and derived metrics of results without meaning: whether they can be made at all.
std::vector<std::string> wrong_reports(const Study& study, const fs::path& folder) {
  study::StudyResults results = study::read_study(folder / "study", folder / "runs");
  std::vector<std::string> problems = results.problems;
  for (std::string& problem : study::add_metrics(results, study.metrics))
    problems.push_back(std::move(problem));
  make_each(study.tables, problems, [&](const auto& spec) { study::table_of(results, spec); });
  make_each(study.figures, problems, [&](const auto& spec) { study::figure_of(results, spec); });
  return problems;
}

study::Rehearsal rehearsed(const Common& common, const StudyOptions& options, const Study& study,
                           const fs::path& folder) {
  const study::RunnerOptions runner = runner_options(common, options, study);
  study::RehearsalOptions rehearsal;
  rehearsal.program = runner.program;
  rehearsal.folder = folder;
  rehearsal.arguments = runner.arguments;
  if (common.threads > 0)
    rehearsal.arguments.insert(rehearsal.arguments.end(), {"--threads", std::to_string(common.threads)});
  rehearsal.build = [&](const config::Node& node) {
    config::Diagnostics diagnostics = study.sources;
    config::Experiment experiment =
        model::resolve_experiment(node, *study.registry, common.places(), diagnostics);
    diagnostics.throw_if_any();
    study::Resolved resolved{config::print(experiment.resolved), experiment.name, "", experiment.seed};
    compose(std::move(experiment), *study.registry, common.places());
    return resolved;
  };
  rehearsal.costly = {{"--quality", measure::quality_metrics()}, {"--features", {}}};
  rehearsal.cheaper = {{"--gradient-draws", "2"}, {"--importance-samples", "4"}, {"--samples", "2"}};
  rehearsal.interrupted = interrupted;
  rehearsal.say = [quiet = common.quiet](const std::string& line) {
    if (!quiet) write_message("trying without training: " + line);
  };
  return study::rehearse(study.plan, study.cells, rehearsal);
}

// How much there is to do, from disk alone.
nlohmann::json amounts(const Common& common, const StudyOptions& options, const Study& study) {
  study::Runner runner(study.plan, study.cells, runner_options(common, options, study));
  std::size_t results = 0, results_done = 0;
  std::map<study::State::Stage, std::size_t> stages;
  for (const study::State& state : runner.states()) {
    results += state.results;
    results_done += state.results_done;
    ++stages[state.stage];
  }
  using Stage = study::State::Stage;
  return {{"cells", study.cells.size()},
          {"trainings",
           {{"done", stages[Stage::kDone]},
            {"begun", stages[Stage::kPartly]},
            {"to do", stages[Stage::kUntrained] + stages[Stage::kWaiting]},
            {"of other plugins", stages[Stage::kOtherPlugins]}}},
          {"results", {{"done", results_done}, {"to do", results - results_done}}}};
}

// "36 trainings: 30 done, 6 to do"
std::string line_of(const nlohmann::json& amounts, const std::string& what) {
  std::size_t all = 0;
  std::vector<std::string> parts;
  for (const char* state : {"done", "begun", "of other plugins", "to do"}) {
    const std::size_t count = amounts.value(state, std::size_t{0});
    all += count;
    if (count > 0) parts.push_back(std::to_string(count) + " " + state);
  }
  return std::to_string(all) + " " + what + (parts.empty() ? "" : ": " + config::join(parts)) + "\n";
}

int say(const Common& common, const nlohmann::json& result, const std::vector<std::string>& problems) {
  for (std::string problem : problems) {
    if (!problem.ends_with('\n')) problem += '\n';
    write_message("wrong: " + problem);
  }
  if (common.json) {
    write_result(json_text(result));
  } else if (result.contains("trainings")) {
    const auto count = [&](const char* what) { return std::to_string(result.at(what).get<std::size_t>()); };
    write_result(line_of(result.at("trainings"), "trainings") +
                 line_of(result.at("results"), "evaluations and pictures") + count("comparisons") +
                 " comparisons, " + count("tables") + " tables, " + count("figures") + " figures\n" +
                 (problems.empty()
                      ? count("kinds") + " kinds of cells were built, and evaluated on 16 rows without " +
                            "training: nothing is wrong\n"
                      : std::to_string(problems.size()) + " problems\n"));
  }
  return problems.empty() ? kDone : kUsage;
}

}  // namespace

int check_study(const Common& common, const std::vector<std::string>& arguments) {
  StudyOptions options;
  options.arguments = arguments;
  const Study study = load_study(common, options);
  watch_signals();
  std::vector<std::string> problems = wrong_configs(common, study);
  nlohmann::json result = {{"problems", problems}};
  if (!problems.empty()) return say(common, result, problems);
  result = amounts(common, options, study);
  result["comparisons"] = study.plan.comparisons.size();
  result["tables"] = study.tables.size();
  result["figures"] = study.figures.size();
  const base::Temporary scratch(fs::temp_directory_path(), base::Temporary::Kind::kPrivateFolder);
  if (scratch.error()) base::fail_on_file("make a folder in", fs::temp_directory_path(), scratch.error());
  const study::Rehearsal rehearsal = rehearsed(common, options, study, scratch.path());
  if (interrupted()) return kInterrupted;
  problems = rehearsal.problems;
  for (std::string& problem : wrong_reports(study, scratch.path())) problems.push_back(std::move(problem));
  result["kinds"] = rehearsal.kinds;
  result["problems"] = problems;
  return say(common, result, problems);
}

}  // namespace variform::cli
