#pragma once
// train --multirun: a study whose axes are overrides with several values.

#include <string>
#include <vector>

#include "cli/study_options.h"

namespace variform::cli {

struct MultirunOptions {
  std::vector<std::string> given;  // KEY=VALUES, and configs; empty: the option is not there
  std::string name;
  StudyCommand study;  // jobs, places, list
  bool yes = false;

  /// Throws config::Error if options are given that are only for --multirun.
  void require_none() const;
};

/// Adds the options.
void add_multirun_options(Command train, MultirunOptions& options);

/// Writes the study's file, then does what `study` does with it. `single`: what else the command line names.
int multirun_command(const Common& common, const ConfigArguments& single, const MultirunOptions& options);

}  // namespace variform::cli
