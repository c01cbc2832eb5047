#pragma once
// A run's environment.json: what its numbers depend on besides the config. Read here for everybody; written by `train`.

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
  std::string cpu;       ///< LibTorch's word for the kernels that it used, such as "AVX512"; empty: not known
  std::string products;  ///< who computed linear layers' products (model::choose_products); empty: not known
  std::optional<std::vector<Plugin>> plugins;
  std::string data_fingerprint;  ///< empty: not known
  std::vector<DataFile> data_files;
  /// Sentences about the file, or keys of it, that are not as they were written: file, key, expected, found. Everything
  /// that could be understood is above all the same.
  std::vector<std::string> problems;
};

/// Never throws for the contents of the file. A run without it has none of this, and a problem if it has a checkpoint.
RunEnvironment environment_of(const std::filesystem::path& run);

}  // namespace variform::config
