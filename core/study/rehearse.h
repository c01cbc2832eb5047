#pragma once
// Tries a study without training: builds one cell of each kind, evaluates its untrained model on a few rows by the
// commands that the study would use, and writes a study.json as if all cells had that result. Tables and figures can be
// made of it to find their errors; their numbers mean nothing.

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "study/plan.h"
#include "study/runner.h"

namespace variform::study {

struct RehearsalOptions {
  std::filesystem::path program;  ///< the executable that trains and evaluates
  std::filesystem::path folder;   ///< for the runs ("runs") and the study ("study"); the caller removes it
  std::vector<std::string> arguments;  ///< for every command: --data, --plugin
  /// Resolves a cell's config; throws std::exception for one that cannot be built.
  std::function<Resolved(const config::Node&)> build;
  /// Options of `evaluate` that take too long to be tried, and the metrics that they would give.
  std::vector<std::pair<std::string, std::vector<std::string>>> costly;
  /// Options of `evaluate` that are tried with this number instead of the study's, unless that is 0.
  std::map<std::string, std::string> cheaper;
  std::function<bool()> interrupted;
  std::function<void(const std::string&)> say;  ///< one line of progress
};

struct Rehearsal {
  std::vector<std::string> problems;  ///< a text for each kind of cell and command that failed
  std::size_t kinds = 0;
};

Rehearsal rehearse(const Plan& plan, const std::vector<Cell>& cells, const RehearsalOptions& options);

}  // namespace variform::study
