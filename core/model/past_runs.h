#pragma once
// The runs that are in a folder, from their files alone.

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
  std::vector<std::string> problems;  ///< what is not as it was written
};

/// All runs in `folder`, by name; hidden ones are on their way in or out.
std::vector<PastRun> read_runs(const std::filesystem::path& folder);

}  // namespace variform::model
