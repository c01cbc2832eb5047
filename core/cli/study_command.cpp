// study: trains and evaluates a grid of runs, then draws its figures and tables. report: draws them again.

#include <unistd.h>

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/file.h"
#include "base/frames.h"
#include "base/lock.h"
#include "cli/console.h"
#include "cli/progress.h"
#include "cli/study_options.h"
#include "cli/study_watch.h"
#include "config/text.h"
#include "study/preflight.h"
#include "study/report.h"
#include "study/runner.h"
#include "study/worker_log.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

// Returns the runner's options, with messages and progress shown.
study::RunnerOptions shown_runner_options(const study::StudyFile& study, const study::StudyOptions& options,
                                          const model::Workplace& place, const Ending& ending,
                                          CellProgress& progress) {
  study::RunnerOptions runner = study::runner_options(study, options, place);
  runner.interrupted = [&progress, &ending] {  // asked all the time while a cell's command runs
    progress.tick();
    return ending.has_come();
  };
  runner.progressed = [&progress](std::int64_t ended, std::int64_t worked, std::int64_t all) {
    progress.ended(ended, worked, all);
  };
  progress.ended(0, 0, static_cast<std::int64_t>(runner.only ? 1 : study.cells.size()));
  return runner;
}

// Throws if the folder cannot be written; called before long work.
void require_folder(const fs::path& folder, const char* option) {
  base::require_writable(folder / "study.json", {.option = option, .makes_folders = true});
}

int say_what_failed(base::Log& log, const std::vector<std::string>& failures) {
  for (const std::string& failure : failures) log.write(base::Level::kError, {}, failure);
  return failures.empty() ? kDone : kFailed;
}

int report(const Common& common, const study::StudyFile& study, const study::StudyOptions& options) {
  Progress progress(common);
  study::ReportHost host{.log = common.log};
  host.print = [&](const std::string& text) {
    progress.clear();
    write_result(text);
  };
  host.width = output_width();
  host.progress = [&](std::int64_t done, std::int64_t all) {
    progress.show("report", "tables and figures", done, all);
  };
  host.interrupted = interrupted;
  const std::vector<std::string> problems = study::write_report(study, options, host);
  progress.clear();
  const int code = say_what_failed(common.log, problems);
  return interrupted() ? kInterrupted : code;
}

// Says that the work was given back; returns the exit code.
int tell_end(base::Log& log, const study::StudyOptions& options, const Ending& ending) {
  if (!options.worker || !ending.is_by_time()) {
    log.info("interrupted; the same command goes on where it was.");
    return kInterrupted;
  }
  log.info("the time is over; what was begun is given back, and any worker goes on with it.");
  return kTimeOver;
}

void tell_left(base::Log& log, std::size_t left) {
  log.info(left == 0 ? "nothing is left to do."
                     : "nothing is left to do here; cells at work elsewhere: " + std::to_string(left));
}

// Does what is left of a study; returns the exit code.
int work_on_cells(const Common& common, const study::StudyFile& study, const study::StudyOptions& options,
                  study::RunnerOptions settings, const Ending& ending, CellProgress& progress) {
  std::optional<study::WorkerLog> own;
  if (options.worker) own.emplace(common.log, settings.folder);
  base::Log& log = own ? static_cast<base::Log&>(*own) : common.log;
  settings.say = [&log](base::Level level, const std::string& line) { log.write(level, {}, line); };
  if (own)
    log.info(fmt::format("worker: process {} on {}{}", ::getpid(), base::host_name(),
                         settings.job.empty() ? "" : " (" + settings.job + ")"));
  try {
    study::Runner runner(study.plan, study.cells, settings);
    const std::vector<std::string> failures = runner.run();
    progress.clear();
    if (ending.has_come()) return tell_end(log, options, ending);
    const int code = say_what_failed(log, failures);
    if (own) tell_left(log, runner.left_to_others());
    return settings.only || !settings.waits ? code : std::max(code, report(common, study, options));
  } catch (const std::exception& error) {
    if (own) own->write_to_file(base::Level::kError, base::without_frames(error.what()));
    throw;
  }
}

}  // namespace

int study_command(const Common& common, const StudyCommand& command) {
  const model::Workplace place = common.workplace();
  const study::StudyFile study = command.read(place);
  const study::StudyOptions options = command.options(common);
  if (options.only > study.cells.size())
    throw config::Error(fmt::format("--only takes a cell from 1 to {} (see --list).", study.cells.size()));
  command.require_fitting();
  const Ending ending(command.time);
  CellProgress progress(common);
  const study::RunnerOptions settings = shown_runner_options(study, options, place, ending, progress);
  if (command.list) return list_cells(common, study, settings);
  if (command.status) return show_status(common, study, settings);
  require_folder(settings.folder, "--studies");
  require_folder(settings.runs, "--runs");
  if (!options.worker)  // a worker's trainings find out for themselves
    study::preflight(study, place, options.no_check ? train::BeforeSteps() : trial_of_guests(common));
  study::write_description(study, settings.folder);
  if (command.slurm) return write_slurm_script(common, command, study, settings);
  watch_signals();
  return work_on_cells(common, study, options, settings, ending, progress);
}

namespace {

int report_command(const Common& common, const StudyCommand& command) {
  const study::StudyFile study = command.read(common.workplace());
  const study::StudyOptions options = command.options(common);
  require_folder(study::folder_of(study, options), "--studies");
  watch_signals();
  return report(common, study, options);
}

}  // namespace

void add_study_commands(Command app, Common& common, Action& action) {
  auto options = std::make_shared<StudyCommand>();
  const auto add = [&](const char* name, const char* description, auto run) {
    Command command = app.add_command(name, description);
    command.add_option("study", options->arguments, "STUDY.toml [a.b=VALUE...]").required();
    command.add_option("--studies", options->studies, "Where the folders of studies are")
        .type_name("DIR")
        .shows_default();
    command.on_chosen([&common, &action, options, run] {
      action = [&common, options, run] { return run(common, *options); };
    });
    return command;
  };
  Command study =
      add("study", "Train and evaluate a grid of runs; what is done already is skipped", study_command);
  study.add_option("--jobs", options->asked.jobs, "Runs at once; more than one: one thread each")
      .positive()
      .shows_default();
  study.add_option("--only", options->asked.only, "This cell alone (its number in --list)").positive();
  study.add_flag("--accept-changed-plugins", options->asked.accept_changed_plugins,
                 "Keep the results of runs whose plugins have changed since, beside new ones");
  study.add_flag("--no-check", options->asked.no_check,
                 "Do not try plugins that did not come with the program before their first training");
  study.add_flag("--list", options->list, "List the cells and their progress");
  study.add_flag("--status", options->status,
                 "Show who is at work on what, what has failed and why, and when it may be over");
  add_worker_options(study, *options);
  add_slurm_options(study, *options);
  add("report", "Draw a study's tables and figures again, without training", report_command);
}

}  // namespace variform::cli
