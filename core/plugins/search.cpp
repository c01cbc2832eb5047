// The search order, from arguments and environment.

#include "plugins/search.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/quote.h"
#include "config/text.h"

namespace variform::plugins {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void add_environment(std::vector<Place>& places, Origin origin, std::string_view paths) {
  for (std::size_t at = 0; at <= paths.size();) {
    const std::size_t end = std::min(paths.find(':', at), paths.size());
    // An empty entry usually means the current directory; here it means nothing.
    if (end > at) {
      const fs::path path(paths.substr(at, end - at));
      places.push_back({origin, path, path.is_absolute() ? "" : "ignored: not an absolute path"});
    }
    at = end + 1;
  }
}

bool is_folder(const fs::path& one, const fs::path& other) {
  std::error_code error;
  return one == other || fs::equivalent(one, other, error);
}

bool lies_below(const fs::path& file, const fs::path& folder) {
  const fs::path way = file.lexically_relative(folder);
  return !way.empty() && *way.begin() != "..";
}

// The program is PREFIX/bin/variform or, behind its launcher, PREFIX/libexec/variform/variform.
void add_installation(Search& search, const fs::path& folder) {
  std::vector<fs::path> prefixes{folder.parent_path()};
  if (folder.parent_path().filename() == "libexec") prefixes = {folder.parent_path().parent_path()};
  for (const fs::path& prefix : prefixes) {
    Place place{Origin::kInstallation, prefix / "lib/variform/plugins"};
    place.is_own = true;
    search.places.push_back(std::move(place));
  }
  prefixes.push_back(folder);  // a build folder, BUILD/variform, has the package too
  std::error_code error;
  for (const fs::path& prefix : prefixes)
    if (search.sdk_prefix.empty() && fs::exists(prefix / "lib/cmake/VariformSdk", error))
      search.sdk_prefix = prefix;
}

}  // namespace

const char* to_string(Origin origin) {
  switch (origin) {
    case Origin::kProgram: return "built in";
    case Origin::kCommandLine: return "--plugin";
    case Origin::kConfig: return "[plugins].paths";
    case Origin::kEnvironment: return "VARIFORM_PLUGIN_PATH";
    case Origin::kUser: return "user";
    case Origin::kInstallation: return "installation";
    case Origin::kBuildTree: return "build tree";
  }
  return "";
}

Surroundings Surroundings::of_this_process() {
  Surroundings result{environment("VARIFORM_PLUGIN_PATH"),
                      environment("VARIFORM_PLUGINS"),
                      environment("XDG_DATA_HOME"),
                      environment("HOME"),
                      {}};
  std::error_code error;
  result.executable = fs::read_symlink("/proc/self/exe", error);
  return result;
}

Search search_for(const std::vector<std::string>& files, const std::vector<ConfigPath>& config_paths,
                  const Surroundings& surroundings) {
  Search search;
  for (const std::string& file : files)
    search.places.push_back({Origin::kCommandLine, fs::absolute(file).lexically_normal()});
  for (const ConfigPath& named : config_paths) {
    Place place{Origin::kConfig, named.path};
    if (!place.path.is_absolute()) place.note = "ignored: not an absolute path";
    place.run = named.run;
    place.is_relative = named.is_relative;
    search.places.push_back(std::move(place));
  }
  add_environment(search.places, Origin::kEnvironment, surroundings.plugin_path);

  fs::path data = surroundings.data_home;  // the standard says that a relative one is invalid
  if (!data.is_absolute() && !surroundings.home.empty()) data = fs::path(surroundings.home) / ".local/share";
  if (data.is_absolute()) search.places.push_back({Origin::kUser, data / "variform/plugins"});

  const fs::path folder = surroundings.executable.parent_path();
  if (!folder.empty()) add_installation(search, folder);
  if (!surroundings.plugins.empty()) add_environment(search.places, Origin::kBuildTree, surroundings.plugins);
  else if (!folder.empty()) search.places.push_back({Origin::kBuildTree, folder / "plugins"});
  for (Place& place : search.places)
    place.is_own |= place.origin == Origin::kBuildTree && is_folder(place.path, folder / "plugins");
  return search;
}

std::string why_not_trusted(const Place& place, const fs::path& file) {
  if (place.run.empty()) return {};
  std::error_code error;
  const fs::path run = fs::absolute(place.run, error).lexically_normal();
  const bool inside = lies_below(file.lexically_normal(), run) ||
                      lies_below(fs::weakly_canonical(file, error), fs::weakly_canonical(run, error));
  if (!inside && !place.is_relative) return {};
  return std::string("not loaded: the config of the run ") + place.run.string() +
         (inside ? " names this file inside the run's folder" : " names this file by a relative path") +
         ". A plugin is code that does whatever you may do, and the folder may come from somebody else. If "
         "you trust it, say so with --plugin " +
         base::for_shell(file.string());
}

}  // namespace variform::plugins
