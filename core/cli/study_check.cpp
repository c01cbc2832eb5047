// check STUDY.toml: a dry run.

#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/study_options.h"
#include "config/text.h"
#include "plugins/quantities.h"
#include "study/preflight.h"
#include "study/rehearse.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

study::Rehearsal rehearsed(const Common& common, const model::Workplace& place,
                           const study::StudyOptions& options, const study::StudyFile& study,
                           const fs::path& folder) {
  const study::RunnerOptions runner = study::runner_options(study, options, place);
  study::RehearsalOptions rehearsal;
  rehearsal.program = runner.program;
  rehearsal.folder = folder;
  rehearsal.arguments = runner.arguments;
  if (common.threads > 0)
    rehearsal.arguments.insert(rehearsal.arguments.end(), {"--threads", std::to_string(common.threads)});
  rehearsal.build = [&](const config::Node& node) {
    config::Experiment experiment = study::experiment_of(node, study, place);
    study::Resolved resolved{config::print(experiment.resolved), experiment.name, "", experiment.seed, {}};
    train::compose(std::move(experiment), *study.registry, place.places);
    return resolved;
  };
  rehearsal.costly = {{"--quality", plugins::quantities_of_option(*study.registry, "quality")},
                      {"--features", {}}};
  rehearsal.cheaper = {{"--gradient-draws", "2"}, {"--importance-samples", "4"}, {"--samples", "2"}};
  rehearsal.interrupted = interrupted;
  rehearsal.say = [&common](const std::string& line) { common.log.info("trying without training: " + line); };
  return study::rehearse(study.plan, study.cells, rehearsal);
}

// Returns how much there is to do, from disk alone.
nlohmann::json amounts(const model::Workplace& place, const study::StudyOptions& options,
                       const study::StudyFile& study) {
  study::CellRuns runs(study.plan, study.cells, study::runner_options(study, options, place));
  std::size_t results = 0, results_done = 0;
  std::map<study::State::Stage, std::size_t> stages;
  for (const study::State& state : runs.states()) {
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

// Returns "36 trainings: 30 done, 6 to do".
std::string line_of(const nlohmann::json& amounts, const std::string& what) {
  std::size_t all = 0;
  std::vector<std::string> parts;
  for (const char* state : {"done", "begun", "of other plugins", "to do"}) {
    const std::size_t count = amounts.value(state, std::size_t{0});
    all += count;
    if (count > 0) parts.push_back(fmt::format("{} {}", count, state));
  }
  return fmt::format("{} {}{}\n", all, what, parts.empty() ? "" : ": " + config::join(parts));
}

int say(const Common& common, const nlohmann::json& result, const std::vector<std::string>& problems) {
  for (std::string problem : problems) {
    if (!problem.ends_with('\n')) problem += '\n';
    common.log.write(base::Level::kError, {}, problem);
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
  const model::Workplace place = common.workplace();
  StudyCommand command;
  command.arguments = arguments;
  const study::StudyFile study = command.read(place);
  const study::StudyOptions options = command.options(common);
  watch_signals();
  std::vector<std::string> problems = study::wrong_configs(study, place);
  nlohmann::json result = {{"problems", problems}};
  if (!problems.empty()) return say(common, result, problems);
  result = amounts(place, options, study);
  result["comparisons"] = study.plan.comparisons.size();
  result["tables"] = study.tables.size();
  result["figures"] = study.figures.size();
  const base::Temporary scratch(fs::temp_directory_path(), base::Temporary::Kind::kPrivateFolder);
  if (scratch.error()) base::fail_on_file("make a folder in", fs::temp_directory_path(), scratch.error());
  const study::Rehearsal rehearsal = rehearsed(common, place, options, study, scratch.path());
  if (interrupted()) return kInterrupted;
  problems = rehearsal.problems;
  for (std::string& problem : study::wrong_reports(study, scratch.path()))
    problems.push_back(std::move(problem));
  result["kinds"] = rehearsal.kinds;
  result["problems"] = problems;
  return say(common, result, problems);
}

}  // namespace variform::cli
