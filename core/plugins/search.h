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
  std::filesystem::path path;  ///< absolute
  std::string note;            ///< why it is not looked at; empty: it is

  /// Named by a person for this purpose: then its absence is worth a word.
  bool is_explicit() const { return origin <= Origin::kEnvironment; }
};

struct Search {
  std::vector<Place> places;
  std::filesystem::path sdk_prefix;  ///< of the installation that this program belongs to; may be empty
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

/// `files`: --plugin, relative to the current directory; `config_paths`: [plugins].paths, absolute.
Search search_for(const std::vector<std::string>& files, const std::vector<std::string>& config_paths,
                  const Surroundings& surroundings = Surroundings::of_this_process());

}  // namespace variform::plugins
