#pragma once
// Brings one plugin file into the process, for good, and holds what it says now against what its manifest said.

#include <filesystem>
#include <set>
#include <string>

#include "plugins/manifest_reader.h"

namespace variform {
inline namespace v1 {
struct PluginInfo;
}
}  // namespace variform

namespace variform::plugins {

/// Either the descriptor, which then lives as long as the process, or a clause that says why there is none.
struct Opened {
  const PluginInfo* info = nullptr;
  std::string problem;
};

/// `path` is absolute and `manifest` was read from it and found compatible. The plugin's static initialisers run
/// here; no other code of it but its entry. `rebuild` is the advice for a plugin of another build.
Opened open_plugin(const std::filesystem::path& path, const Manifest& manifest, const std::string& rebuild);

/// The files of the libraries that a loaded one needs, directly or through others, where the loader found them.
std::set<std::filesystem::path> libraries_of(const std::filesystem::path& path);

/// Empty if the descriptor is sound in itself (nothing null, no duplicate, kinds and counts in range); else a clause.
std::string descriptor_problem(const PluginInfo* info);

}  // namespace variform::plugins
