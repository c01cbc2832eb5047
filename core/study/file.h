#pragma once
// Reads a study's file for `study`, `report` and `check`.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/node.h"
#include "model/workplace.h"
#include "study/metrics.h"
#include "study/plan.h"
#include "study/runner.h"
#include "study/specs.h"

namespace variform::study {

/// The content of a study's file.
struct StudyFile {
  std::unique_ptr<plugins::Registry> registry;
  Plan plan;
  std::vector<Cell> cells;
  std::vector<MetricSpec> metrics;
  std::vector<FigureSpec> figures;
  std::vector<TableSpec> tables;
  config::Diagnostics sources;  ///< has no errors, but the lines of the files, for messages about cells
  std::string arguments;        ///< files and overrides as they were given, for a shell
  std::string text;             ///< of [study]
};

/// Reads a study's file. `given`: the words of the command line, which become StudyFile::arguments. Throws
/// config::Error with all errors of [study]; those of the cells' configs are found when they are resolved.
StudyFile read_file(const std::vector<std::string>& files, const std::vector<std::string>& overrides,
                    const std::vector<std::string>& given, const model::Workplace& place);

/// The same for a config that has been read, with its table [study]. `config`: its last file, for messages.
StudyFile study_of(const config::Node& root, config::Diagnostics diagnostics, const std::string& config,
                   const std::vector<std::string>& given, const model::Workplace& place);

/// Resolves a cell's config. Throws config::Error.
config::Experiment experiment_of(const config::Node& node, const StudyFile& study,
                                 const model::Workplace& place);
/// The same, in the form that the runner needs.
Resolved resolve(const config::Node& node, const StudyFile& study, const model::Workplace& place);

/// Options of a study besides its file.
struct StudyOptions {
  std::filesystem::path runs = "runs", studies = "studies";
  std::vector<std::string> arguments = {};  ///< for every command: --data, --plugin
  int jobs = 1;
  std::int64_t threads = 0;
  std::size_t only = 0;  ///< this cell alone, counted from 1; 0: all
  bool accept_changed_plugins = false, no_check = false;
  bool worker = false;  ///< takes what no other process has, and leaves failed cells alone
  bool to_end = false;  ///< such a worker also waits for the others
  bool retry = false;   ///< such a worker also tries failed cells again
  double silence = 60;  ///< seconds without a sign of life after which other processes take over
};

/// Returns the folder of a study.
std::filesystem::path folder_of(const StudyFile& study, const StudyOptions& options);
/// Writes study.toml into the study's folder: the command that makes it, and its table [study] with everything included.
void write_description(const StudyFile& study, const std::filesystem::path& folder);

/// Returns the runner's options, but for `interrupted`, `say` and `progressed`. `study` and `place` must outlive them.
RunnerOptions runner_options(const StudyFile& study, const StudyOptions& options,
                             const model::Workplace& place);

/// Calls make(spec) for each table or figure. An error of one (base::Error) becomes a problem and does not stop the
/// others. Ends when begin() returns false.
template <class Specs, class Make, class Begin>
void make_each(const Specs& specs, std::vector<std::string>& problems, const Make& make, const Begin& begin) {
  for (const auto& spec : specs) try {
      if (!begin()) return;
      make(spec);
    } catch (const base::Error& error) {
      problems.push_back(error.what());
    }
}

}  // namespace variform::study
