#pragma once
// A study's file, read for `study`, `report` and `check` alike.

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

/// All that is in it.
struct StudyFile {
  std::unique_ptr<plugins::Registry> registry;
  Plan plan;
  std::vector<Cell> cells;
  std::vector<MetricSpec> metrics;
  std::vector<FigureSpec> figures;
  std::vector<TableSpec> tables;
  config::Diagnostics sources;  ///< without an error: the lines of the files, for messages about cells
  std::string arguments;        ///< files and overrides as they were given, for a shell
  std::string text;             ///< of [study]
};

/// `given`: the words of the command line, which become StudyFile::arguments. Throws config::Error with all that is wrong
/// with [study]; the cells' configs are judged when they are resolved.
StudyFile read_file(const std::vector<std::string>& files, const std::vector<std::string>& overrides,
                    const std::vector<std::string>& given, const model::Workplace& place);

/// What a cell's config means. Throws config::Error.
config::Experiment experiment_of(const config::Node& node, const StudyFile& study,
                                 const model::Workplace& place);
/// The same as the runner needs it.
Resolved resolve(const config::Node& node, const StudyFile& study, const model::Workplace& place);

/// What is asked of a study besides its file.
struct StudyOptions {
  std::filesystem::path runs = "runs", studies = "studies";
  std::vector<std::string> arguments = {};  ///< for every command: --data, --plugin
  int jobs = 1;
  std::int64_t threads = 0;
  std::size_t only = 0;  ///< this cell alone, from 1; 0: all
  bool accept_changed_plugins = false, no_check = false;
};

/// The folder of a study.
std::filesystem::path folder_of(const StudyFile& study, const StudyOptions& options);

/// What the runner needs, but for `interrupted`, `say` and `progressed`. `study` and `place` must outlive it.
RunnerOptions runner_options(const StudyFile& study, const StudyOptions& options,
                             const model::Workplace& place);

/// make(spec) for each table or figure: what one of them lacks (base::Error) does not keep the others away. Ends where
/// begin() says no.
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
