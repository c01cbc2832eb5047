#pragma once
// Folders and damaged copies of plugins for the loader's tests.

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>

#include <unistd.h>

#include "catch.h"
#include "plugins/registry.h"

namespace variform::plugins {

using testing::ContainsSubstring;
using testing::EndsWith;
using testing::StartsWith;

/// A fresh folder that is removed with the object.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "variform-loader-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// A plugin that the build made for these tests, by its file's name: "good.so".
inline std::filesystem::path built(const std::string& name) {
  const std::string folder = testing::environment("VARIFORM_TEST_PLUGINS");
  INFO("VARIFORM_TEST_PLUGINS must name the folder of test plugins; run the tests by ctest.");
  REQUIRE_FALSE(folder.empty());
  const auto path = std::filesystem::path(folder) / "loader" / name;
  REQUIRE(std::filesystem::exists(path));
  return path;
}

/// A search of these files and folders alone.
inline Search only(std::initializer_list<std::filesystem::path> paths) {
  Search search;
  for (const auto& path : paths) search.places.push_back({Origin::kCommandLine, path, {}});
  return search;
}

/// All occurrences of `from` become `to`, of the same length; there must be one.
inline std::string patched(std::string bytes, const std::string& from, const std::string& to) {
  REQUIRE(from.size() == to.size());
  REQUIRE(bytes.find(from) != std::string::npos);
  for (std::size_t at = 0; (at = bytes.find(from, at)) != std::string::npos; at += to.size())
    bytes.replace(at, from.size(), to);
  return bytes;
}

}  // namespace variform::plugins
