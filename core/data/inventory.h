#pragma once
// Lists the data sets on this machine: compares descriptions with files, without reading data.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace variform::data {

class OtherReaders;

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
  std::vector<std::int64_t> shape;  ///< of one example; may be empty
  std::vector<FileEntry> files;     ///< those that its splits need, each once
  std::string problem;              ///< of the description itself; then the rest is empty

  bool is_complete() const;
  bool is_wrong() const;  ///< something exists but is wrong
};

/// Returns the data sets of these names or paths of descriptions; if none is given, all NAME.toml in
/// `descriptor_folders`, sorted. A file is wrong when its size differs from the description or, with `verify`, its
/// SHA-256, which costs a whole read; it is verified when its SHA-256 is right. Throws ReadError for a name that does
/// not exist, and base::Error for a file that cannot be read. `readers` knows further formats; may be null.
std::vector<DatasetEntry> inventory(const std::vector<std::string>& names,
                                    const std::vector<std::filesystem::path>& descriptor_folders,
                                    const std::vector<std::filesystem::path>& data_folders, bool verify,
                                    const OtherReaders* readers = nullptr);

}  // namespace variform::data
