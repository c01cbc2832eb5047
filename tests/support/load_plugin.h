#pragma once
// Opens a built stock plugin without the engine's loader, to test its components by themselves.

#include <variform/testing.h>

#include <cstdlib>
#include <string>

#include <dlfcn.h>

namespace variform::test {

/// The descriptor of a plugin file in the folder $VARIFORM_PLUGINS ("variform-decoders.so"); never unloaded.
inline const PluginInfo& load_plugin(const std::string& file) {
  const char* folder = std::getenv("VARIFORM_PLUGINS");
  const std::string path = std::string(folder ? folder : "plugins") + "/" + file;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw Error("the stock plugin " + path + " cannot be opened (build it first): " + dlerror());
  void* entry = dlsym(library, kPluginEntry);
  if (!entry) throw Error("the stock plugin " + path + " exports no " + kPluginEntry);
  return *reinterpret_cast<const PluginInfo* (*)()>(entry)();
}

using testing::find_component;

}  // namespace variform::test
