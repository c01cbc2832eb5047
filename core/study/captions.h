#pragma once
// Describes what the runs in a table or figure of a study have in common; it stands below the caption.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "study/results.h"

namespace variform::study {

/// Reads the runs' resolved configs, each once.
class SharedSettings {
 public:
  /// `results` must outlive it.
  explicit SharedSettings(const StudyResults& results) : results_(results) {}

  /// Returns "Data set mnist; 16 latents; encoder mlp; …; 3 seeds; 24 runs.": those settings of data, components,
  /// objective and training that are the same in all these cells (indices of the results) that are done.
  std::string of(const std::vector<std::size_t>& cells);

 private:
  const config::Node* config_of(const std::filesystem::path& run);

  const StudyResults& results_;
  std::map<std::filesystem::path, std::optional<config::Node>> configs_;
};

}  // namespace variform::study
