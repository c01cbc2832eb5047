// See study_file.h.

#include "cli/study_file.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/quote.h"
#include "config/load.h"
#include "config/text.h"
#include "model/checkpoints.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> axes_of(const study::Plan& plan) {
  std::vector<std::string> axes;
  for (const study::Stage& stage : plan.stages)
    for (const study::Axis& axis : stage.axes)
      if (std::find(axes.begin(), axes.end(), axis.name) == axes.end()) axes.push_back(axis.name);
  return axes;
}

}  // namespace

study::Resolved resolve(const config::Node& node, const Study& study, const Common& common,
                        config::Diagnostics& diagnostics) {
  const config::Experiment experiment =
      model::resolve_experiment(node, *study.registry, common.places(), diagnostics);
  return {config::print(experiment.resolved), experiment.name, config::experiment_hash(experiment),
          experiment.seed};
}

Study load_study(const Common& common, const StudyOptions& options) {
  const ConfigArguments arguments = split_arguments(options.arguments);
  if (arguments.files.empty())
    throw config::Error(
        "error: a study needs its file; try: variform study configs/studies/linear_quick.toml");
  config::Diagnostics diagnostics;
  const config::Node root = config::load(arguments.files, arguments.overrides, diagnostics);
  Study study;
  study.registry = common.registry(plugin_paths_in(root), arguments.files.back());
  study.plan = study::read_plan(root, diagnostics);
  study.cells = study::cells_of(study.plan, diagnostics);
  const std::vector<std::string> axes = axes_of(study.plan);
  study.metrics = study::read_metrics(study.plan.metrics, axes, diagnostics);
  study.figures = study::read_figures(study.plan.figures, axes, diagnostics);
  study.tables = study::read_tables(study.plan.tables, axes, diagnostics);
  diagnostics.throw_if_any();
  study.sources = diagnostics;
  for (const std::string& argument : options.arguments)
    study.files += (study.files.empty() ? "" : " ") + base::for_shell(argument);
  if (const config::Node* section = root.find("study")) study.text = config::print(*section);
  return study;
}

study::RunnerOptions runner_options(const Common& common, const StudyOptions& options, const Study& study) {
  study::RunnerOptions runner;
  runner.program = fs::read_symlink("/proc/self/exe");
  runner.runs = fs::absolute(common.runs);
  runner.folder = fs::absolute(fs::path(options.studies) / study.plan.name);
  for (const std::string& folder : common.data)
    runner.arguments.insert(runner.arguments.end(), {"--data", folder});
  for (const std::string& plugin : common.plugins)
    runner.arguments.insert(runner.arguments.end(), {"--plugin", plugin});
  runner.jobs = options.jobs;
  runner.threads = common.threads;
  if (options.only > 0) runner.only = options.only - 1;
  runner.resolve = [&common, &study](const config::Node& node) {
    config::Diagnostics diagnostics = study.sources;
    study::Resolved resolved = resolve(node, study, common, diagnostics);
    diagnostics.throw_if_any();
    return resolved;
  };
  runner.changed = [&study](const fs::path& run) {
    const std::string data = model::changed_data_files(run);
    return data.empty() ? model::changed_plugins(run, *study.registry) : data;
  };
  runner.accept_changed_plugins = options.accept_changed_plugins;
  runner.no_check = options.no_check;
  runner.interrupted = interrupted;
  runner.say = [quiet = common.quiet](const std::string& line) {
    if (!quiet) write_message(line);
  };
  return runner;
}

}  // namespace variform::cli
