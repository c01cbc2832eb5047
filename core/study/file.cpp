// See file.h.

#include "study/file.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/program.h"
#include "base/quote.h"
#include "config/load.h"
#include "config/text.h"
#include "model/checkpoints.h"
#include "model/data_facts.h"
#include "study/batch.h"

namespace variform::study {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> axes_of(const Plan& plan) {
  std::vector<std::string> axes;
  for (const Stage& stage : plan.stages)
    for (const Axis& axis : stage.axes)
      if (std::find(axes.begin(), axes.end(), axis.name) == axes.end()) axes.push_back(axis.name);
  return axes;
}

}  // namespace

StudyFile read_file(const std::vector<std::string>& files, const std::vector<std::string>& overrides,
                    const std::vector<std::string>& given, const model::Workplace& place) {
  if (files.empty())
    throw config::Error("a study needs its file; try: variform study configs/studies/linear_quick.toml");
  config::Diagnostics diagnostics;
  const config::Node root = config::load(files, overrides, diagnostics);
  return study_of(root, std::move(diagnostics), files.back(), given, place);
}

StudyFile study_of(const config::Node& root, config::Diagnostics diagnostics, const std::string& config,
                   const std::vector<std::string>& given, const model::Workplace& place) {
  StudyFile study;
  study.registry = place.registry(model::plugin_paths_in(root), config);
  study.plan = read_plan(root, diagnostics);
  study.cells = cells_of(study.plan, diagnostics);
  const std::vector<std::string> axes = axes_of(study.plan);
  study.metrics = read_metrics(study.plan.metrics, axes, diagnostics);
  study.figures = read_figures(study.plan.figures, axes, diagnostics);
  study.tables = read_tables(study.plan.tables, axes, diagnostics);
  diagnostics.throw_if_any();
  study.sources = diagnostics;
  for (const std::string& argument : given)
    study.arguments += (study.arguments.empty() ? "" : " ") + base::for_shell(argument);
  if (const config::Node* section = root.find("study")) study.text = config::print(*section);
  return study;
}

config::Experiment experiment_of(const config::Node& node, const StudyFile& study,
                                 const model::Workplace& place) {
  config::Diagnostics diagnostics = study.sources;
  config::Experiment experiment = model::resolve_experiment(node, *study.registry, place.places, diagnostics);
  diagnostics.throw_if_any();
  return experiment;
}

Resolved resolve(const config::Node& node, const StudyFile& study, const model::Workplace& place) {
  const config::Experiment experiment = experiment_of(node, study, place);
  return {config::print(experiment.resolved), experiment.name, config::experiment_hash(experiment),
          experiment.seed, config::former_experiment_hash(experiment)};
}

fs::path folder_of(const StudyFile& study, const StudyOptions& options) {
  return fs::absolute(options.studies / study.plan.name);
}

void write_description(const StudyFile& study, const fs::path& folder) {
  fs::create_directories(folder);
  base::write_text_file(
      folder / "study.toml",
      "command = " + config::quote("variform study " + study.arguments) + "\n" + study.text);
}

RunnerOptions runner_options(const StudyFile& study, const StudyOptions& options,
                             const model::Workplace& place) {
  RunnerOptions runner;
  runner.program = base::this_program();
  runner.runs = fs::absolute(options.runs);
  runner.folder = folder_of(study, options);
  runner.arguments = options.arguments;
  runner.jobs = options.jobs;
  runner.threads = options.threads;
  if (options.only > 0) runner.only = options.only - 1;
  runner.waits = !options.worker || options.to_end;
  runner.retries = !options.worker || options.retry;
  runner.tells_begin = options.worker;
  runner.job = batch_job();
  runner.silence = std::chrono::milliseconds(static_cast<std::int64_t>(1000 * options.silence));
  runner.resolve = [&study, &place](const config::Node& node) { return resolve(node, study, place); };
  runner.changed = [&study](const fs::path& run) {
    const std::string data = model::changed_data_files(run);
    return data.empty() ? model::changed_plugins(run, *study.registry) : data;
  };
  runner.accept_changed_plugins = options.accept_changed_plugins;
  runner.no_check = options.no_check;
  return runner;
}

}  // namespace variform::study
