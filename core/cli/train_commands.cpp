// train and resume; several trainings are in multirun.h.

#include <fmt/format.h>

#include "base/interrupt.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/multirun.h"
#include "cli/revision.h"
#include "export/pictures.h"
#include "train/processes.h"
#include "train/run.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

constexpr int kMostProcesses = 1024;

struct TrainOptions {
  std::vector<std::string> arguments;
  std::string folder;  // instead of <runs>/<name>-<hash>-<seed>
  train::RunOptions run;
  std::int64_t processes = 0;  // 0: as they were started
  bool resume = false, overwrite = false, no_figures = false, no_check = false;
  MultirunOptions several;
};

train::RunHost host_of(const Common& common, const TrainOptions& options, const model::Workplace& place,
                       train::ProcessGroup* group) {
  train::RunHost host{
      .place = place,
      .origin = {common.arguments, VARIFORM_VERSION, revision()},
      .observe = [&common](base::Log& log) { return std::make_unique<Console>(common, log); }};
  if (!options.no_check) host.before_steps = trial_of_guests(common);
  host.begin = watch_signals;
  host.interrupted = interrupted;
  host.interrupted_by = interrupting_signal;
  if (!options.no_figures) host.draw = exports::write_figures;
  host.group = group;
  return host;
}

int ended(train::Ending ending, const fs::path& folder, const train::ProcessGroup* group) {
  if (!group || group->rank() == 0) write_result(folder.string());
  return ending == train::Ending::kInterrupted ? kInterrupted : kDone;
}

// Runs `train` in the group of this process, if it has one. Process 0 speaks for all; another one says why it fails only
// if that cannot.
int in_group(const Common& common, std::int64_t processes,
             const std::function<int(train::ProcessGroup* group)>& train) {
  const std::unique_ptr<train::ProcessGroup> group = train::group_of(processes, common.arguments);
  if (!group) return train(nullptr);
  const bool is_first = group->rank() == 0;
  if (!is_first) common.log.set({.levels = {.least = base::Level::kError}, .json = common.log_json});
  try {
    return train(group.get());
  } catch (const base::Interrupted& error) {
    group->tell_failure(error.what());
    throw;
  } catch (const std::exception& error) {
    if (group->tell_failure(error.what()) && !is_first) return kFailed;
    if (is_first) throw;
    throw std::runtime_error(fmt::format("process {} of {}: {}", group->rank(), group->size(), error.what()));
  }
}

// Options that say something about the one run would be ignored by a study.
void require_none_of_one_run(const TrainOptions& options) {
  const train::RunOptions& asked = options.run;
  const train::RunOptions untouched;
  if (options.resume || options.overwrite || !options.folder.empty() || options.no_figures ||
      asked.stop_at != untouched.stop_at || asked.stop_at_epoch != untouched.stop_at_epoch ||
      options.processes > 1 || asked.reference || asked.accept_changed_metrics || asked.model_only)
    throw config::Error(
        "--resume, --overwrite, --folder, --stop-at, --stop-at-epoch, --accept-changed-metrics, --no-figures, "
        "--processes, --reference and --model-only are for one training, and --multirun makes several.");
}

int train_one(const Common& common, TrainOptions& options, const ConfigArguments& arguments,
              train::ProcessGroup* group) {
  const model::Workplace place = common.workplace();
  options.run.threads = common.threads;
  model::Loaded loaded = place.load(arguments.files, arguments.overrides);
  const fs::path folder =
      options.folder.empty() ? train::folder_of(loaded.experiment, common.runs) : fs::path(options.folder);
  const model::IfPresent if_present = options.resume      ? model::IfPresent::kResume
                                      : options.overwrite ? model::IfPresent::kOverwrite
                                                          : model::IfPresent::kRefuse;
  return ended(train::train(std::move(loaded), folder, if_present, options.run,
                            host_of(common, options, place, group)),
               folder, group);
}

int train_command(const Common& common, TrainOptions options) {
  const ConfigArguments arguments = split_arguments(options.arguments);
  if (!options.several.given.empty()) {
    require_none_of_one_run(options);
    options.several.study.asked.no_check = options.no_check;
    options.several.study.asked.accept_changed_plugins = options.run.accept_changed_plugins;
    return multirun_command(common, arguments, options.several);
  }
  options.several.require_none();
  if (arguments.files.empty())
    throw config::Error("train needs a config file; try: variform train configs/quickstart.toml");
  return in_group(common, options.processes,
                  [&](train::ProcessGroup* group) { return train_one(common, options, arguments, group); });
}

int resume_command(const Common& common, const std::string& run, TrainOptions options) {
  return in_group(common, options.processes, [&](train::ProcessGroup* group) {
    const model::Workplace place = common.workplace();
    options.run.threads = common.threads;
    const fs::path folder = run_path(common, run);
    return ended(
        train::resume(folder, options.arguments, options.run, host_of(common, options, place, group)), folder,
        group);
  });
}

}  // namespace

void add_train_commands(Command app, Common& common, Action& action) {
  auto options = std::make_shared<TrainOptions>();
  auto run = std::make_shared<std::string>();
  const auto shared_options = [options](Command command) {
    train::RunOptions& asked = options->run;
    command.add_option("--stop-at", asked.stop_at, "Stop after this step; schedules keep their horizon")
        .non_negative();
    command.add_option("--stop-at-epoch", asked.stop_at_epoch, "The same, counted in epochs").non_negative();
    command
        .add_option(
            "--processes", options->processes,
            "Train one model on so many processes of this machine; 1: on one, also inside srun and the "
            "like (docs/clusters.md)")
        .type_name("N")
        .between(1, kMostProcesses);
    command.add_flag("--accept-changed-plugins", asked.accept_changed_plugins,
                     "Continue although a plugin has changed");
    command.add_flag("--accept-changed-metrics", asked.accept_changed_metrics,
                     "Continue although metrics.jsonl has been changed");
    command.add_flag("--no-check", options->no_check,
                     "Do not try plugins that did not come with the program before their first training");
    command.add_flag("--no-figures", options->no_figures, "Draw no pictures at the end");
    command.add_flag("--reference", asked.reference,
                     "Compute everything without shortcuts, to compare with them (docs/performance.md)");
    command.add_flag(
        "--model-only", asked.model_only,
        "At the end keep one checkpoint of the model alone, a sixth of the space; such a run cannot be "
        "extended");
  };
  Command train = app.add_command("train", "Train a model from config files");
  train.add_option("config", options->arguments, "CONFIG.toml [more.toml...] [a.b=VALUE...]");
  train.add_flag("--resume", options->resume, "Resume if the run folder exists");
  train.add_flag("--overwrite", options->overwrite, "Replace the run folder if it exists")
      .excludes("--resume");
  train.add_option("--folder", options->folder, "Run folder instead of RUNS/NAME-HASH-SEED").type_name("DIR");
  shared_options(train);
  add_multirun_options(train, options->several);
  train.on_chosen([&common, &action, options] {
    action = [&common, options] { return train_command(common, *options); };
  });

  Command resume = app.add_command("resume", "Resume a run from its last checkpoint");
  resume.add_option("run", *run, "Run folder, or its name below --runs").required();
  resume.add_option("overrides", options->arguments, "[train.steps=N...]");
  shared_options(resume);
  resume.on_chosen([&common, &action, options, run] {
    action = [&common, options, run] { return resume_command(common, *run, *options); };
  });
}

}  // namespace variform::cli
