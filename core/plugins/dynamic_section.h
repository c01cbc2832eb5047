#pragma once
// What a shared library tells the system's loader: its symbols, the libraries that it needs, its flags. Read from the
// file's bytes, like the manifest.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace variform::plugins {

struct DynamicSection {
  std::vector<std::string> exports;  ///< defined symbols that others can see
  std::vector<std::string> imports;  ///< undefined symbols
  std::vector<std::string> needed;   ///< libraries
  std::string search_path;           ///< RPATH or RUNPATH; empty: none
  bool no_delete = false;            ///< -z nodelete
  bool text_relocations = false;     ///< code that the loader has to write into
  bool executable_stack = false;
};

/// Either that, or a clause that says why there is none. Never throws for what is in the file.
struct DynamicResult {
  std::optional<DynamicSection> section;
  std::string problem;
};
DynamicResult read_dynamic_section(const std::filesystem::path& path);

}  // namespace variform::plugins
