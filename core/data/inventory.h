#pragma once
// Which data sets are on this machine: descriptions against files, without reading data.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace variform::data {

enum class FileState { kFound, kVerified, kMissing, kWrong };

/// "found", "verified", "missing", "wrong"
const char* to_string(FileState state);

struct FileEntry {
  std::string name;
  FileState state = FileState::kMissing;
  std::filesystem::path path;  ///< empty when missing
  std::string problem;         ///< a sentence when wrong
};

struct DatasetEntry {
  std::string name, title, licence, obtain;
  std::filesystem::path description;
  std::vector<std::int64_t> shape;  ///< of one datum; may be empty
  std::vector<FileEntry> files;     ///< that its splits need, each once
  std::string problem;              ///< of the description itself; then the rest is empty

  bool is_complete() const;
  bool is_wrong() const;  ///< something is there that cannot be right
};

/// The data sets of these names or paths of descriptions; none given: all NAME.toml in `descriptor_folders`,
/// sorted. A file is wrong when it has not as many bytes as the description says or, with `verify`, another
/// SHA-256, which costs a whole read; it is verified when its SHA-256 was found to be right. Throws ReadError
/// for a name that is not there, and base::Error for a file that cannot be read.
std::vector<DatasetEntry> inventory(const std::vector<std::string>& names,
                                    const std::vector<std::filesystem::path>& descriptor_folders,
                                    const std::vector<std::filesystem::path>& data_folders, bool verify);

}  // namespace variform::data
