#pragma once
// Loads one plugin file into the process for good, and compares what it says now with its manifest.

#include <filesystem>
#include <set>
#include <string>

#include "plugins/manifest_reader.h"

namespace variform {
inline namespace v2 {
struct PluginInfo;
}
}  // namespace variform

namespace variform::plugins {

/// Either the descriptor, which then lives as long as the process, or a clause that says why it is missing.
struct Opened {
  const PluginInfo* info = nullptr;
  std::string problem;
};

/// Loads a plugin. `path` is absolute; `manifest` was read from it and found compatible. Runs the plugin's static
/// initialisers and its entry, no other code of it. `rebuild` is the advice for a plugin of another build.
Opened open_plugin(const std::filesystem::path& path, const Manifest& manifest, const std::string& rebuild);

/// Returns the files of the libraries that a loaded one needs, directly or through others, where the loader found them.
std::set<std::filesystem::path> libraries_of(const std::filesystem::path& path);

/// Returns a clause about an unsound descriptor (a null, a duplicate, a kind or count out of range), else empty text.
std::string descriptor_problem(const PluginInfo* info);

}  // namespace variform::plugins
