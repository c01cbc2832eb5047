#pragma once
// Lists the runs in a folder, from their files alone.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/run_status.h"

namespace variform::model {

struct PastRun {
  std::filesystem::path path;
  RunStatus status;
  std::int64_t step = 0;
  nlohmann::json last;                ///< the last evaluation in metrics.jsonl; null: none yet
  std::vector<std::string> problems;  ///< what has been changed or damaged
};

/// Adds what lines of metrics.jsonl say to `run`: its step and its last evaluation.
void take_metrics(PastRun& run, const std::vector<nlohmann::json>& lines);

/// Whether there is a run's config or checkpoint in that folder.
bool is_run_folder(const std::filesystem::path& path);

/// Returns all runs in `folder`, by name. Skips hidden folders, which are being created or removed.
std::vector<PastRun> read_runs(const std::filesystem::path& folder);

}  // namespace variform::model
