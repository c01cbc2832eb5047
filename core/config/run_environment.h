#pragma once
// environment.json of a run: what besides the config its numbers depend on. Read here for all who ask; written by `train`.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace variform::config {

struct RunEnvironment {
  struct Plugin {
    std::string id, version, sha256;
  };
  struct DataFile {
    std::string path, fingerprint;
    std::int64_t bytes = 0, modified = 0;
  };

  std::optional<std::int64_t> threads;
  std::optional<std::vector<Plugin>> plugins;
  std::string data_fingerprint;  ///< empty: not known
  std::vector<DataFile> data_files;
  /// A sentence for the file, or each key of it, that is not as it was written: file, key, expected, found. What could be
  /// understood is above all the same.
  std::vector<std::string> problems;
};

/// Never throws for what the file holds. A run without the file has none of this, and a problem if it has a checkpoint.
RunEnvironment environment_of(const std::filesystem::path& run);

}  // namespace variform::config
