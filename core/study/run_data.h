#pragma once
// Makes figures of run folders: values along the training from metrics.jsonl, and at its end from
// evaluation-SPLIT.json. Needs no model and no plugin.

#include <filesystem>
#include <string>
#include <vector>

#include "draw/figure.h"

namespace variform::study {

/// A run to be shown and its name in legends.
struct RunSource {
  std::filesystem::path folder;
  std::string label;
};

/// Names runs by what differs in their configs (config::labels), or by their folders' names where that does not tell
/// them apart. Throws Error for a folder that holds no run, and for a run given twice.
std::vector<RunSource> sources(const std::vector<std::filesystem::path>& folders);

/// Returns a sentence for each run whose metrics.jsonl has been changed or damaged; curves() leaves out these lines.
std::vector<std::string> damaged_metrics(const std::vector<RunSource>& runs);

/// Draws one panel per value, one line per run. `x`: step, epoch, or another number of the metrics. No values: all that
/// every run has. Empty split: that of the evaluations (test or validation) of the first run. Throws Error for a run
/// without the value, naming those that it has.
draw::Figure curves(const std::vector<RunSource>& runs, const std::string& x, std::vector<std::string> values,
                    std::string split);

/// Draws one panel per value, one bar per run, with standard errors. Throws Error for a run without that evaluation (it
/// says how to make it) or where the value is undefined (it says why).
draw::Figure evaluations(const std::vector<RunSource>& runs, const std::vector<std::string>& values,
                         const std::string& split);

}  // namespace variform::study
