#pragma once
// The places where plugins are looked for, and their order. Never the current directory, which must not decide what
// code runs.

#include <filesystem>
#include <string>
#include <vector>

namespace variform::plugins {

/// Who named a place, in search order.
enum class Origin { kProgram, kCommandLine, kConfig, kEnvironment, kUser, kInstallation, kBuildTree };

/// "--plugin", "[plugins].paths", "VARIFORM_PLUGIN_PATH", "user", "installation", "build tree"; "built in" for
/// descriptors registered by the program itself.
const char* to_string(Origin origin);

/// A plugin file, or a folder whose *.so are all candidates.
struct Place {
  Origin origin = Origin::kCommandLine;
  std::filesystem::path path = {};  ///< absolute
  std::string note = {};            ///< why it is ignored; empty: it is not
  bool is_own = false;              ///< the program's own folder, whose org.variform.* are stock plugins
  std::filesystem::path run = {};   ///< the run whose config names it; empty: none
  bool is_relative = false;         ///< and that config names it by a relative path

  /// Whether a person named it for this purpose: then its absence deserves a warning.
  bool is_explicit() const { return origin <= Origin::kEnvironment; }
};

struct Search {
  std::vector<Place> places;
  std::filesystem::path sdk_prefix;  ///< of the installation that this program belongs to; may be empty
};

/// A path of [plugins].paths. Those in a run's folder may have been written by somebody else.
struct ConfigPath {
  std::string path;                ///< absolute
  std::filesystem::path run = {};  ///< the folder of the run whose config names it; empty: another config
  bool is_relative = false;        ///< as it stands in that config
};

/// The environment of the search; empty text: not set.
struct Surroundings {
  std::string plugin_path;           ///< VARIFORM_PLUGIN_PATH: files or folders with ':' between
  std::string plugins;               ///< VARIFORM_PLUGINS: the build tree's folder
  std::string data_home;             ///< XDG_DATA_HOME
  std::string home;                  ///< HOME
  std::filesystem::path executable;  ///< this program's file

  static Surroundings of_this_process();
};

/// `files`: --plugin, relative to the current directory; `config_paths`: [plugins].paths.
Search search_for(const std::vector<std::string>& files, const std::vector<ConfigPath>& config_paths,
                  const Surroundings& surroundings = Surroundings::of_this_process());

/// Returns, as a clause, why a file that a run's config names at `place` is not loaded; empty: it may be. This concerns
/// files in or through the run's folder, and relative paths: a folder that somebody sent brings no code.
std::string why_not_trusted(const Place& place, const std::filesystem::path& file);

}  // namespace variform::plugins
