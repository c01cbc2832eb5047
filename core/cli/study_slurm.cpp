// study --slurm: a script for Slurm, in the study's folder.

#include <algorithm>

#include "base/file.h"
#include "base/program.h"
#include "cli/study_options.h"
#include "config/text.h"
#include "study/slurm.h"
#include "study/status.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

// The command of the workers: the same program, study and places.
std::vector<std::string> worker_command(const Common& common, const StudyCommand& command,
                                        const study::RunnerOptions& options) {
  std::vector<std::string> words{base::this_program(), "study"};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  words.insert(words.end(), {"--worker", "--runs", common.runs, "--studies", command.studies});
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  if (options.jobs > 1) words.insert(words.end(), {"--jobs", std::to_string(options.jobs)});
  if (common.threads > 0) words.insert(words.end(), {"--threads", std::to_string(common.threads)});
  if (command.asked.silence != study::StudyOptions{}.silence)
    words.insert(words.end(), {"--silence", config::format_plain(command.asked.silence)});
  if (options.accept_changed_plugins) words.emplace_back("--accept-changed-plugins");
  if (options.no_check) words.emplace_back("--no-check");
  if (common.log_json) words.emplace_back("--log-json");
  return words;
}

}  // namespace

int write_slurm_script(const Common& common, const StudyCommand& command, const study::StudyFile& study,
                       const study::RunnerOptions& options) {
  constexpr std::size_t kMostWorkers = 16;
  study::CellRuns runs(study.plan, study.cells, options);
  const study::StudyStatus status = study::status_of(runs, study.cells.size(), options);
  const std::size_t left = status.cells.size() - status.count(study::CellStatus::Stage::kDone);
  for (std::size_t i = 0; i < status.cells.size(); ++i)  // the jobs are a new try
    if (status.cells[i].stage == study::CellStatus::Stage::kFailed)
      fs::remove(study::record_file(options.folder, i));
  study::SlurmJob job = command.job;
  job.study = study.plan.name;
  job.folder = options.folder / "slurm";
  job.from = fs::current_path();
  job.command = worker_command(common, command, options);
  job.workers = command.workers > 0 ? static_cast<std::size_t>(command.workers)
                                    : std::clamp<std::size_t>(left, 1, kMostWorkers);
  job.time = command.time;
  base::make_folder_inside(options.folder, job.folder);
  const fs::path script = job.folder / "study.sh";
  base::write_text_file(script, study::slurm_script(job));
  write_result(script.string());
  if (command.submit) common.log.info(study::submit_to_slurm(script));
  return kDone;
}

}  // namespace variform::cli
