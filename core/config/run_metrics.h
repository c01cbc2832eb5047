#pragma once
// metrics.jsonl of a run, for all who read it.

#include <filesystem>

#include "base/sealed_lines.h"

namespace variform::config {

/// Its lines, each an object with a whole number "step" and a text "split"; others are among the damaged ones.
base::SealedLines metrics_of(const std::filesystem::path& run);

}  // namespace variform::config
