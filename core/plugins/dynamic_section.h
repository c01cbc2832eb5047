#pragma once
// Reads what a shared library tells the system's loader: its symbols, the libraries that it needs, its flags. From the
// file's bytes, like the manifest.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace variform::plugins {

struct DynamicSection {
  std::vector<std::string> exports;  ///< defined symbols visible to others
  std::vector<std::string> imports;  ///< undefined symbols
  std::vector<std::string> needed;   ///< libraries
  std::string search_path;           ///< RPATH or RUNPATH; empty: none
  bool no_delete = false;            ///< -z nodelete
  bool text_relocations = false;     ///< code that the loader has to write into
  bool executable_stack = false;
};

/// Either that, or a clause that says why it is missing. Never throws for the file's contents.
struct DynamicResult {
  std::optional<DynamicSection> section;
  std::string problem;
};
DynamicResult read_dynamic_section(const std::filesystem::path& path);

}  // namespace variform::plugins
