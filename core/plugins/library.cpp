// Uses Boost.DLL around dlopen: all symbols resolved at once, none visible to other plugins, never unloaded.

#include "plugins/library.h"

#include <dlfcn.h>
#include <link.h>

#include <boost/dll/shared_library.hpp>

#include <algorithm>
#include <set>
#include <string_view>

#include <variform/descriptor.h>

namespace variform::plugins {
namespace {

namespace dll = boost::dll;

// Autograd graphs, threads and exit handlers may hold code of a plugin until the process ends, so the handle's
// destructor must not unload it. Boost.DLL passes unknown bits on to dlopen.
constexpr auto kMode =
    static_cast<dll::load_mode::type>(dll::load_mode::rtld_now | dll::load_mode::rtld_local | RTLD_NODELETE);

std::string why_not_linked(std::string message, const std::filesystem::path& path, const Manifest& manifest,
                           const std::string& rebuild) {
  const std::string prefix = path.string() + ": ";
  if (message.starts_with(prefix)) message.erase(0, prefix.size());
  constexpr std::string_view kUndefined = "undefined symbol: ";
  if (!message.starts_with(kUndefined)) return "the system's loader refuses it: " + message;
  const std::string symbol = message.substr(kUndefined.size());
  if (symbol.starts_with("variform_sdk"))
    return "the plugin was really built for " + symbol + ", although its manifest says " +
           manifest.fingerprint + ", which is this program's build; " + rebuild;
  return "the plugin needs a function that neither this program's SDK nor its LibTorch has (" + symbol +
         "); " + rebuild;
}

// Adds the libraries that its dynamic section needs, all of which the loader has loaded too.
void add_libraries_of(const char* file, std::set<std::filesystem::path>& found) {
  void* handle = ::dlopen(file, RTLD_LAZY | RTLD_NOLOAD);
  if (!handle) return;
  const link_map* map = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && found.insert(map->l_name).second) {
    const char* names = nullptr;
    for (const ElfW(Dyn)* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry)
      if (entry->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(entry->d_un.d_ptr);
    for (const ElfW(Dyn)* entry = map->l_ld; names && entry->d_tag != DT_NULL; ++entry)
      if (entry->d_tag == DT_NEEDED) add_libraries_of(names + entry->d_un.d_val, found);
  }
  ::dlclose(handle);
}

template <class Visit>
void each_component(const PluginInfo& info, const Visit& visit) {
  for (const ComponentList* list = info.lists_begin; list != info.lists_end; ++list)
    for (std::size_t i = 0; i < list->count; ++i) visit(list->first[i]);
}

std::string component_problem(const ComponentInfo& component) {
  if (!component.kind_name || !*component.kind_name) return "a component without a kind";
  if (!component.id || !*component.id || !component.summary || !component.source)
    return "a component without a name";
  const std::string name = std::string(component.kind_name) + ":" + component.id;
  if (!component.create) return name + " without a function that creates it";
  if (component.parameter_count > ComponentInfo::kMaxParameters) return name + " with too many parameters";
  for (const Parameter& parameter : component.parameters())
    if (!parameter.name || !*parameter.name || !parameter.description || !parameter.unit ||
        !parameter.text_default || parameter.choice_count > Parameter::kMaxChoices ||
        parameter.list_size > Parameter::kMaxListDefault)
      return name + " with a damaged parameter";
  return {};
}

std::string disagreement(const PluginInfo& info, const Manifest& manifest) {
  if (info.id != manifest.id || info.version != manifest.version)
    return "its manifest says " + manifest.id + " " + manifest.version + ", its descriptor " + info.id + " " +
           info.version;
  std::set<std::string> described;
  each_component(info, [&](const ComponentInfo& component) {
    described.insert(std::string(component.kind_name) + ":" + component.id);
  });
  for (const std::string& name : manifest.components)
    if (!described.erase(name)) return "its manifest names " + name + ", its descriptor does not";
  if (!described.empty())
    return "its descriptor has " + *described.begin() + ", its manifest does not name it";
  return {};
}

}  // namespace

std::set<std::filesystem::path> libraries_of(const std::filesystem::path& path) {
  std::set<std::filesystem::path> found;
  add_libraries_of(path.c_str(), found);
  found.erase(path);
  return found;
}

std::string descriptor_problem(const PluginInfo* info) {
  if (!info) return "its entry variform_plugin returned no descriptor";
  if (!info->id || !*info->id || !info->version) return "its descriptor has no id or version";
  if (!info->lists_begin || info->lists_begin > info->lists_end)
    return "its descriptor's list of components is damaged";
  std::string problem;
  std::set<std::pair<std::string_view, std::string_view>> seen;
  each_component(*info, [&](const ComponentInfo& component) {
    if (!problem.empty()) return;
    if (const std::string found = component_problem(component); !found.empty())
      problem = "its descriptor has " + found;
    else if (!seen.emplace(component.kind_name, component.id).second)
      problem = std::string("its descriptor has ") + component.kind_name + ":" + component.id + " twice";
  });
  return problem;
}

Opened open_plugin(const std::filesystem::path& path, const Manifest& manifest, const std::string& rebuild) {
  dll::shared_library library;
  dll::fs::error_code error;
  ::dlerror();
  library.load(path, error, kMode);
  if (error) {
    const char* message = ::dlerror();
    return {nullptr, why_not_linked(message ? message : error.message(), path, manifest, rebuild)};
  }
  if (!library.has(kPluginEntry))
    return {nullptr,
            "it has no entry variform_plugin, although it has a manifest; use VARIFORM_PLUGIN in one of its "
            "files and build it with variform_add_plugin"};
  const PluginInfo* info = nullptr;
  try {
    info = library.get<const PluginInfo*()>(kPluginEntry)();
  } catch (const std::exception& thrown) {
    return {nullptr, std::string("its entry variform_plugin threw: ") + thrown.what()};
  } catch (...) {
    return {nullptr, "its entry variform_plugin threw an exception that does not derive from std::exception"};
  }
  std::string problem = descriptor_problem(info);
  if (problem.empty()) problem = disagreement(*info, manifest);
  if (!problem.empty()) return {nullptr, problem + "; build the plugin again with VARIFORM_PLUGIN"};
  return {info, {}};
}

}  // namespace variform::plugins
