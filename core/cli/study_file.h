#pragma once
// A study's file as `study`, `report` and `check` read it.

#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "draw/png_grid.h"
#include "study/metrics.h"
#include "study/specs.h"
#include "study/plan.h"
#include "study/runner.h"

namespace variform::cli {

struct StudyOptions {
  std::vector<std::string> arguments;
  std::string studies = "studies";
  int jobs = 1;
  std::size_t only = 0;
  bool list = false, accept_changed_plugins = false, no_check = false;
};

// A study's file read, and all that is wrong with it, its cells' configs included, reported at once.
struct Study {
  std::unique_ptr<plugins::Registry> registry;
  study::Plan plan;
  std::vector<study::Cell> cells;
  std::vector<study::MetricSpec> metrics;
  std::vector<study::FigureSpec> figures;
  std::vector<study::TableSpec> tables;
  config::Diagnostics sources;  // without an error: the lines of the files, for messages about cells
  std::string files;            // as given
  std::string text;             // of [study]
};

/// Throws config::Error with all that is wrong with [study]; the cells' configs are judged when they are resolved.
Study load_study(const Common& common, const StudyOptions& options);

/// What a cell's config means; what is wrong with it goes to `diagnostics`.
study::Resolved resolve(const config::Node& node, const Study& study, const Common& common,
                        config::Diagnostics& diagnostics);

/// What the runner needs of the command line. `common` and `study` must outlive it.
study::RunnerOptions runner_options(const Common& common, const StudyOptions& options, const Study& study);

/// make(spec) for each table or figure: what one of them lacks (base::Error) does not keep the others away. Ends
/// where begin() says no.
template <class Specs, class Make, class Begin>
void make_each(const Specs& specs, std::vector<std::string>& problems, const Make& make, const Begin& begin) {
  for (const auto& spec : specs) try {
      if (!begin()) return;
      make(spec);
    } catch (const base::Error& error) {
      problems.push_back(error.what());
    }
}

template <class Specs, class Make>
void make_each(const Specs& specs, std::vector<std::string>& problems, const Make& make) {
  make_each(specs, problems, make, [] { return true; });
}

}  // namespace variform::cli
