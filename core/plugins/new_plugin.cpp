// See new_plugin.h.

#include "plugins/new_plugin.h"

#include <variform/manifest.h>
#include <variform/types.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/program.h"
#include "base/quote.h"
#include "base/shared_files.h"
#include "base/words.h"
#include "config/node.h"
#include "plugins/search.h"

namespace variform::plugins {
namespace fs = std::filesystem;
namespace {

using Placeholders = std::vector<std::pair<std::string, std::string>>;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether a name is lower case, digits and single hyphens, and begins with a letter.
bool is_id(const std::string& name) {
  if (name.empty() || name.size() > 40 || !is_lower(name.front()) || name.back() == '-') return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (!is_lower(name[i]) && !is_digit(name[i]) && name[i] != '-') return false;
    if (name[i] == '-' && name[i - 1] == '-') return false;
  }
  return true;
}

// "heavy-tail" -> "HeavyTail"
std::string camel_case(const std::string& id) {
  std::string result;
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (id[i] == '-') continue;
    const bool begins = i == 0 || id[i - 1] == '-';
    result += static_cast<char>(begins && is_lower(id[i]) ? id[i] - 'a' + 'A' : id[i]);
  }
  return result;
}

void require_name(const Registry& registry, Kind kind, const std::string& name) {
  if (!is_id(name))
    throw config::Error("'" + name +
                        "' cannot be a component's name: it is lower-case letters, digits and single "
                        "hyphens, at most 40, and begins with a letter, for instance heavy-tail");
  constexpr std::array kTargets{"all", "check", "clean", "help", "install", "package", "test"};
  if (std::find(kTargets.begin(), kTargets.end(), name) != kTargets.end())
    throw config::Error("'" + name + "' is the name of a build command; choose another name");
  const auto found = registry.find(kind, name);
  if (!found.empty())
    throw config::Error("there is " + base::with_article(to_string(kind)) + " '" + name +
                        "' already, in plugin " + found.front().plugin + "; choose another name");
}

std::string substituted(std::string text, const Placeholders& placeholders) {
  for (const auto& [placeholder, value] : placeholders)
    for (std::size_t at = 0; (at = text.find(placeholder, at)) != std::string::npos; at += value.size())
      text.replace(at, placeholder.size(), value);
  return text;
}

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  if (!in) throw Error("the template's file " + path.string() + " cannot be read; install Variform again");
  return text;
}

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  base::write_text_file(path, text);
}

// Copies one part of the template; ".in" at the end of a name marks files that are not C++ before they are filled in.
void fill(const fs::path& from, const fs::path& to, const Placeholders& placeholders) {
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    if (!entry.is_regular_file()) continue;
    fs::path name = substituted(entry.path().lexically_relative(from).string(), placeholders);
    if (name.extension() == ".in") name.replace_extension();
    write_text(to / name, substituted(read_text(entry.path()), placeholders));
  }
}

// Runs a program found on the PATH and discards its output; returns whether it succeeded.
bool succeeds(const std::vector<std::string>& command) try {
  const base::Said said = base::run_program(command, std::chrono::minutes(1));
  return !said.over && said.code == 0;
} catch (const std::system_error&) {  // there is no such program
  return false;
}

// Creates a repository with a first commit; returns a sentence about it.
std::string put_into_git(const fs::path& folder, const std::string& what) {
  const auto git = [&](std::vector<std::string> arguments) {
    std::vector<std::string> command{"git", "-C", folder.string(), "-c", "user.useConfigOnly=true"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return succeeds(command);
  };
  if (!succeeds({"git", "--version"})) return "git was not found: no repository was made.";
  if (git({"rev-parse", "--is-inside-work-tree"}))
    return "It lies inside a git repository, which is left as it was.";
  if (!git({"init", "-q"}) || !git({"add", "-A"})) return "git could not make a repository of it.";
  if (!git({"var", "GIT_AUTHOR_IDENT"}))
    return "Its git repository has no commit yet, since git knows neither your user.name nor your "
           "user.email.";
  if (!git({"commit", "-q", "-m", what})) return "Its git repository has no commit yet: git commit failed.";
  return "It is a git repository with a first commit.";
}

// Returns how this program is called: by its name if the shell would find it, else by its path.
std::string this_command(const fs::path& prefix) {
  std::error_code error;
  const fs::path program =
      fs::exists(prefix / "bin/variform", error) ? prefix / "bin/variform" : prefix / "variform";
  if (fs::equivalent(base::on_path("variform"), program, error)) return "variform";
  return base::for_shell(program.string());
}

// A metric is seen in an evaluation, every other component in a training.
std::vector<std::string> next_commands(const fs::path& folder, Kind kind) {
  const fs::path prefix = search_for({}, {}).sdk_prefix;
  const std::string sdk = prefix.empty() ? "" : " -DCMAKE_PREFIX_PATH=" + base::for_shell(prefix.string());
  std::vector<std::string> commands{"cd " + base::for_shell(folder.string()), "cmake -S . -B build" + sdk,
                                    "cmake --build build", "ctest --test-dir build --output-on-failure",
                                    this_command(prefix) + " train example.toml"};
  if (kind != Kind::kMetric) return commands;
  commands.back() += " --folder runs/example";
  commands.push_back(this_command(prefix) + " evaluate runs/example");
  return commands;
}

}  // namespace

NewPlugin new_plugin(Kind kind, const std::string& name, const fs::path& into, const Registry& registry) {
  require_name(registry, kind, name);
  const fs::path folder = (into / name).lexically_normal();
  if (fs::exists(fs::symlink_status(folder)))
    throw config::Error(folder.string() + " exists already; choose another name, or another place by --into");
  const fs::path origin = base::shared_folder("template");
  if (origin.empty())
    throw Error(
        "the template of plugins is not where this program looks for it; set VARIFORM_HOME to "
        "share/variform of its installation");
  const std::string version = VARIFORM_SDK_VERSION;
  const Placeholders placeholders{{"@name@", name},
                                  {"@Name@", camel_case(name)},
                                  {"@kind@", to_string(kind)},
                                  {"@id@", "org.example." + name},
                                  {"@sdk@", version.substr(0, version.rfind('.'))}};
  // It has another name until it is complete.
  const fs::path parent = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
  fs::create_directories(parent);
  base::Temporary made(parent, base::Temporary::Kind::kFolder);
  if (made.error()) base::fail_on_file("create the folder", folder, made.error());
  for (const char* part : {"common", to_string(kind)}) fill(origin / part, made.path(), placeholders);
  const std::string git = put_into_git(
      made.path(), "One " + std::string(to_string(kind)) + " for Variform, as `variform new` makes it");
  if (const int problem = made.become(folder)) base::fail_on_file("create the folder", folder, problem);
  return {folder, git, next_commands(folder, kind)};
}

}  // namespace variform::plugins
