// Tests of the file itself: its description, its exports and needs, and the effects of loading it.

#include <variform/manifest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/processes.h"
#include "conformance/process_settings.h"
#include "conformance/test.h"
#include "plugins/dynamic_section.h"
#include "plugins/library.h"

namespace variform::conformance {
namespace {

plugins::DynamicSection dynamic_section(const Case& test) {
  const plugins::DynamicResult read = plugins::read_dynamic_section(test.path);
  if (!read.section) fail(read.problem);
  return *read.section;
}

bool is_id(std::string_view id, bool dots) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (dots && c == '.');
  });
}

void manifest(const Case& test) {
  const plugins::Manifest& m = test.manifest;
  if (!is_id(m.id, true) || m.id.find('.') == std::string::npos)
    fail("the plugin's id is '" + m.id +
         "'; expected a reverse domain name of lower-case letters, digits and hyphens, such as "
         "org.example.student-t");
  for (const std::string& component : m.components)
    if (const std::string id = component.substr(component.find(':') + 1); !is_id(id, false))
      fail("the component " + component + " has the id '" + id +
           "'; expected lower-case letters, digits and hyphens");
  if (m.version.empty() || !std::isdigit(static_cast<unsigned char>(m.version.front())))
    fail("the plugin's version is '" + m.version + "'; expected a number such as 1.0.0");
}

void fingerprint(const Case& test) {
  const std::string problem = plugins::incompatibility(test.manifest, plugins::host_manifest());
  if (!problem.empty()) fail(problem + "; " + plugins::how_to_rebuild(test.path, {}));
  const auto imports = dynamic_section(test).imports;
  if (std::find(imports.begin(), imports.end(), test.manifest.fingerprint) == imports.end())
    fail("the plugin does not refer to the symbol " + test.manifest.fingerprint +
         ", so that a foreign program could load it; use VARIFORM_PLUGIN in one of its files");
}

void exports(const Case& test) {
  std::string others;
  bool has_entry = false;
  int count = 0;
  for (const std::string& name : dynamic_section(test).exports) {
    if (name == kPluginEntry) has_entry = true;
    else if (++count <= 5) others += (others.empty() ? "" : ", ") + name;
  }
  if (!has_entry)
    fail(std::string("it does not export ") + kPluginEntry + "; use VARIFORM_PLUGIN in one of its files");
  if (count > 0)
    fail(
        fmt::format("it exports {} symbols besides {} ({}{}), which can meet another plugin's; build it with "
                    "variform_add_plugin, which hides them",
                    count, kPluginEntry, others, count > 5 ? " …" : ""));
}

// Whether libraries are searched anywhere but in folders beside the plugin that have no LibTorch: those hold what a
// wheel brings along.
bool may_bring_libtorch(const std::filesystem::path& plugin, std::string_view search_path) {
  constexpr std::string_view kBeside = "$ORIGIN";
  while (!search_path.empty()) {
    const std::size_t end = std::min(search_path.find(':'), search_path.size());
    const std::string_view entry = search_path.substr(0, end);
    search_path.remove_prefix(std::min(end + 1, search_path.size()));
    if (!entry.starts_with(kBeside)) return true;
    const std::filesystem::path folder =
        plugin.parent_path() / std::filesystem::path("." + std::string(entry.substr(kBeside.size())));
    for (const char* name : {"libtorch_cpu.so", "libtorch.so", "libc10.so"})
      if (std::filesystem::exists(folder / name)) return true;
  }
  return false;
}

void flags(const Case& test) {
  const plugins::DynamicSection section = dynamic_section(test);
  if (may_bring_libtorch(test.path, section.search_path))
    fail("it has the library search path '" + section.search_path +
         "', and would bring in another LibTorch than the program's; build it with variform_add_plugin");
  if (!section.no_delete)
    fail("it is not marked as never to be unloaded (-z nodelete); build it with variform_add_plugin");
  if (section.text_relocations)
    fail("its code has to be changed on loading (text relocations); compile it with -fPIC");
  if (section.executable_stack) fail("it asks for an executable stack; link it with -z noexecstack");
}

void libraries(const Case& test) {
  for (const std::string& name : dynamic_section(test).needed)
    for (const char* forbidden : {"libtorch_cuda", "libc10_cuda", "libtorch_python", "libtorch_hip"})
      if (name.starts_with(forbidden))
        fail("it needs " + name + ", which not every LibTorch has; link it to Variform::sdk only");
}

void registrations(const Case& test) {
  for (const std::string& name : dynamic_section(test).imports)
    if (name.starts_with("_ZN5torch7LibraryC"))
      fail(
          "it registers operators with LibTorch (TORCH_LIBRARY), which aborts the process when a second "
          "plugin does so under the same name; use plain functions or torch::autograd::Function");
}

void loads(const Case& test) {
  const plugins::Opened opened =
      plugins::open_plugin(test.path, test.manifest, plugins::how_to_rebuild(test.path, {}));
  if (!opened.info) fail(opened.problem);
}

void quiet(const Case& test) {
  if (!test.own_process) skip("only a separate process can tell what a plugin prints");
  loads(test);
  if (const long bytes = base::printed_bytes(); bytes > 0)
    fail(
        fmt::format("it prints {} bytes when it is loaded; results of commands go to the same place and are "
                    "read by programs",
                    bytes));
}

void settings(const Case& test) {
  const ProcessSettings before;
  loads(test);
  const ProcessSettings after;
  std::string changed = after.difference(before);
  if (after.has_drawn(before))
    changed += (changed.empty() ? "" : ", ") + std::string("the global random generator");
  if (!changed.empty()) fail("loading it changes settings of the whole process: " + changed);
}

void load_time(const Case& test) {
  const auto begin = std::chrono::steady_clock::now();
  loads(test);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (seconds > 1) warn("it takes " + text_of(seconds) + " s to load, and every command waits for it");
}

}  // namespace

std::vector<Test> library_tests() {
  const char* group = "library";
  return {
      {"manifest",
       group,
       "The manifest can be read from the file, and its ids are well formed.",
       {},
       {},
       manifest},
      {"fingerprint",
       group,
       "It was built for this program's SDK ABI, LibTorch and sanitizers, and a foreign program cannot load "
       "it.",
       {},
       {},
       fingerprint},
      {"exports", group, "It exports its entry and nothing else.", {}, {}, exports},
      {"flags",
       group,
       "It searches for libraries beside itself only, is never unloaded, and needs no change of its code on loading.",
       {},
       {},
       flags},
      {"libraries", group, "It needs no library that only some builds of LibTorch have.", {}, {}, libraries},
      {"registrations", group, "It registers no operators with LibTorch.", {}, {}, registrations},
      {"loads",
       group,
       "It loads, and its descriptor is sound and agrees with its manifest.",
       {},
       {"fingerprint"},
       loads},
      {"quiet", group, "It prints nothing when it is loaded.", {}, {"loads"}, quiet},
      {"process-settings",
       group,
       "Loading it leaves the settings of the process as they are.",
       {},
       {"loads"},
       settings},
      {"load-time", group, "It loads within a second.", {}, {"loads"}, load_time},
  };
}

}  // namespace variform::conformance
