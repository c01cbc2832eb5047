#pragma once
// Where plugins are looked for, and in which order. Never the current directory: a folder that one happens to stand
// in must not decide what code runs.

#include <filesystem>
#include <string>
#include <vector>

namespace variform::plugins {

/// Who named a place; in the order of the search.
enum class Origin { kProgram, kCommandLine, kConfig, kEnvironment, kUser, kInstallation, kBuildTree };

/// "--plugin", "[plugins].paths", "VARIFORM_PLUGIN_PATH", "user", "installation", "build tree"; "built in" for
/// descriptors registered by the program itself.
const char* to_string(Origin origin);

/// A plugin file, or a folder all of whose *.so are candidates.
struct Place {
  Origin origin = Origin::kCommandLine;
  std::filesystem::path path = {};  ///< absolute
  std::string note = {};            ///< why it is not looked at; empty: it is
  bool is_own = false;              ///< the program's own folder, whose org.variform.* are stock plugins
  std::filesystem::path run = {};   ///< the run whose config names it; empty: no run's
  bool is_relative = false;         ///< and it is named by a relative path

  /// Named by a person for this purpose: then its absence is worth a word.
  bool is_explicit() const { return origin <= Origin::kEnvironment; }
};

struct Search {
  std::vector<Place> places;
  std::filesystem::path sdk_prefix;  ///< of the installation that this program belongs to; may be empty
};

/// A path of [plugins].paths. What a run's folder says may have been written by somebody else.
struct ConfigPath {
  std::string path;                ///< absolute
  std::filesystem::path run = {};  ///< the folder of the run whose config names it; empty: another config
  bool is_relative = false;        ///< as it stands in that config
};

/// What the search depends on besides its arguments; empty text: not set.
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

/// Why a file is not loaded that a run's config names at `place`, as a clause; empty: it may be. That is so for what lies
/// in the run's folder, or is reached through it, and for relative paths: a folder that somebody sent brings no code.
std::string why_not_trusted(const Place& place, const std::filesystem::path& file);

}  // namespace variform::plugins
