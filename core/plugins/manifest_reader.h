#pragma once
// Reads a plugin's manifest (ELF section ".variform_manifest") without loading the plugin, so that a foreign, damaged
// or hostile file is refused before the system's loader or any of its code touches it.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace variform::plugins {

/// A plugin's own account of itself. The fields up to `fingerprint` decide whether it may share a process with us.
struct Manifest {
  std::string id;  ///< "org.example.student-t"
  std::string version;
  std::string sdk_abi;                  ///< "1"
  std::string libtorch;                 ///< "2.13"
  std::string cxx11_abi;                ///< "1"
  std::string sanitizer;                ///< "none", "asan", "tsan"
  std::string fingerprint;              ///< the symbol that stands for these four
  std::vector<std::string> components;  ///< "kind:id", in the order of the file

  bool offers(std::string_view component) const;
};

/// Either the manifest, or a clause, to follow "PATH: ", that says why it is missing and what to do.
struct ManifestResult {
  std::optional<Manifest> manifest;
  std::string problem;
};

/// Never throws for the file's contents, and reads only within its bounds.
ManifestResult read_manifest(const std::filesystem::path& path);

/// Parses the section's text: one part per object file, separated by NUL bytes.
ManifestResult parse_manifest(std::string_view text);

/// This program's own build, as a manifest without components.
const Manifest& host_manifest();

/// Returns empty text if a plugin with this manifest may be loaded into `host`, else a clause that names both builds.
std::string incompatibility(const Manifest& plugin, const Manifest& host);

/// Returns a clause with the commands that rebuild the plugin at `path` against this program's SDK. They name its build
/// folder if the plugin lies in one, and the installed SDK's prefix if that is given.
std::string how_to_rebuild(const std::filesystem::path& path, const std::filesystem::path& sdk_prefix);

}  // namespace variform::plugins
