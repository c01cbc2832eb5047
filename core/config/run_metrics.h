#pragma once
// Reads metrics.jsonl of a run.

#include <filesystem>

#include "base/sealed_lines.h"

namespace variform::config {

/// Whether an object is one of its lines: a whole number "step" and a text "split".
bool is_metrics_line(const nlohmann::json& line);

/// Returns its lines: objects with a whole number "step" and a text "split". All others count as damaged.
base::SealedLines metrics_of(const std::filesystem::path& run);

}  // namespace variform::config
