// See study_options.h.

#include "cli/study_options.h"

namespace variform::cli {

study::StudyFile StudyCommand::read(const model::Workplace& place) const {
  const ConfigArguments split = split_arguments(arguments);
  return study::read_file(split.files, split.overrides, arguments, place);
}

study::StudyOptions StudyCommand::options(const Common& common) const {
  study::StudyOptions options = asked;
  options.runs = common.runs;
  options.studies = studies;
  options.threads = common.threads;
  for (const std::string& folder : common.data)
    options.arguments.insert(options.arguments.end(), {"--data", folder});
  for (const std::string& plugin : common.plugins)
    options.arguments.insert(options.arguments.end(), {"--plugin", plugin});
  return options;
}

void StudyCommand::require_fitting() const {
  if (!asked.worker && (asked.to_end || asked.retry))
    throw config::Error("--to-end and --retry are for workers (--worker).");
  if (!asked.worker && !slurm && !time.empty())
    throw config::Error("--time is for workers (--worker, --slurm).");
  if (asked.worker && asked.only > 0)
    throw config::Error("--only does one cell, and --worker takes what is left: give one of them.");
  if (asked.worker && slurm)
    throw config::Error("--slurm writes a script that starts workers; --worker is one: give one of them.");
  if (!slurm && (submit || workers || job.cpus > 1 || !job.gpus.empty() || !job.options.empty()))
    throw config::Error("--submit, --workers, --cpus, --gpus and --sbatch are for --slurm.");
}

void add_worker_options(Command study, StudyCommand& options) {
  const char* group = "Several processes and machines (docs/clusters.md)";
  study
      .add_flag("--worker", options.asked.worker,
                "Take cells that no other process has, until none is left; for any number of processes")
      .group(group);
  study
      .add_flag("--to-end", options.asked.to_end,
                "With --worker: wait for the other workers, then write tables and figures")
      .group(group);
  study.add_flag("--retry", options.asked.retry, "With --worker: try cells again that have failed before")
      .group(group);
  study
      .add_option("--time", options.time,
                  "After this time a worker gives back what it has begun: MINUTES or "
                  "[DAYS-]HOURS:MINUTES:SECONDS; with --slurm the limit of each job")
      .type_name("TIME")
      .group(group);
  study
      .add_option("--silence", options.asked.silence,
                  "Seconds without a sign of life after which other processes take over what this one has")
      .positive()
      .shows_default()
      .group(group);
}

void add_slurm_options(Command study, StudyCommand& options) {
  const char* group = "Slurm (docs/clusters.md)";
  study
      .add_flag(
          "--slurm", options.slurm,
          "Write a script into the study's folder that submits an array of workers, and a report after them")
      .group(group);
  study.add_flag("--submit", options.submit, "Submit it").group(group);
  study
      .add_option("--workers", options.workers,
                  "How many workers; default: one for each cell that is left, at most 16")
      .positive()
      .group(group);
  study.add_option("--cpus", options.job.cpus, "Processors of each worker")
      .positive()
      .shows_default()
      .group(group);
  study.add_option("--gpus", options.job.gpus, "GPUs of each worker: NUMBER or TYPE:NUMBER")
      .type_name("GPUS")
      .group(group);
  study
      .add_option("--sbatch", options.job.options,
                  "Further option of sbatch, such as --sbatch=--partition=long; may be repeated")
      .type_name("OPTION")
      .repeatable()
      .group(group);
}

}  // namespace variform::cli
