#pragma once
// What the broken plugins share: a manifest that fits this build, and a static initialiser that leaves a mark, so that
// a test can tell whether code of the plugin ran. No LibTorch needed.

#include <variform/manifest.h>

#include <array>
#include <cstdlib>
#include <fstream>

namespace variform {
inline namespace v2 {
struct PluginInfo;
}
}  // namespace variform

struct NamedComponent {
  const char* kind_name;
  const char* id;
};

// Appends to the file that the environment variable VARIFORM_TEST_MARK names.
struct Mark {
  explicit Mark(const char* text) {
    if (const char* path = std::getenv("VARIFORM_TEST_MARK"))
      std::ofstream(path, std::ios::app) << text << "\n";
  }
};

#define BROKEN_MANIFEST(id, component)                                                        \
  namespace {                                                                                 \
  [[gnu::used, gnu::retain, gnu::section(".variform_manifest")]] constexpr auto kManifest =   \
      variform::manifest_of_plugin(id, "1.0.0");                                              \
  [[gnu::used, gnu::retain, gnu::section(".variform_manifest")]] constexpr auto kComponents = \
      variform::manifest_of_components(std::array{NamedComponent{"encoder", component}});     \
  const Mark kMark(id);                                                                       \
  }
