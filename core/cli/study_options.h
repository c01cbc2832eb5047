#pragma once
// The command line of `study`, `report` and `check STUDY.toml`.

#include <string>
#include <vector>

#include "cli/commands.h"
#include "study/file.h"
#include "study/slurm.h"

namespace variform::cli {

struct StudyCommand {
  std::vector<std::string> arguments;
  std::string studies = "studies";
  study::StudyOptions asked;  // without those that all commands share
  std::string time;           // after which a worker ends
  bool list = false, status = false;
  bool slurm = false, submit = false;
  study::SlurmJob job;  // of --slurm, as far as options say it
  int64_t workers = 0;  // 0: as many as there is work for, within reason

  study::StudyFile read(const model::Workplace& place) const;
  study::StudyOptions options(const Common& common) const;
  /// Throws config::Error where options do not go together.
  void require_fitting() const;
};

/// Does what `study` does.
int study_command(const Common& common, const StudyCommand& command);

/// Add the options of `study` that are about several processes.
void add_worker_options(Command study, StudyCommand& options);
void add_slurm_options(Command study, StudyCommand& options);

/// Prints the cells and how far they are: --list.
int list_cells(const Common& common, const study::StudyFile& study, const study::RunnerOptions& options);
/// Prints who is at work on what, what has failed, and when it may be over: --status.
int show_status(const Common& common, const study::StudyFile& study, const study::RunnerOptions& options);
/// Writes a script for Slurm, and submits it if asked: --slurm.
int write_slurm_script(const Common& common, const StudyCommand& command, const study::StudyFile& study,
                       const study::RunnerOptions& options);

}  // namespace variform::cli
