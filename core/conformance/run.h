#pragma once
// Puts one plugin through all tests, and reports the results to people and programs.

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "conformance/test.h"

namespace variform::conformance {

struct RunOptions {
  std::string filter;       ///< runs only tests or components whose name contains it; empty: all
  bool in_process = false;  ///< no separate processes, for debuggers: a crash then ends the program
  int jobs = 1;             ///< components tested at once
  double limit = 60;        ///< seconds per test
  std::uint64_t seed = 1;
  Extent wanted{{}, 0};              ///< sizes that components are built with; none: the usual ones
  std::set<std::string> components;  ///< "kind:id" of those to test; empty: all, and the library
  /// Runs only the tests of quick.h, with so many CPU seconds per component; 0: all tests. On a busy machine that may
  /// take longer.
  double quick = 0;
  /// For each "kind:id", values of parameters as text: JSON, or bare text.
  std::map<std::string, std::map<std::string, std::string>> settings;
};

/// One test's outcome; `component` is "kind:id", or "library".
struct Result {
  std::string component, test;
  Outcome outcome = Outcome::kPass;
  std::string detail;    ///< why it did not pass; empty if it did
  bool blocked = false;  ///< skipped, because something that it builds on failed
  bool late = false;     ///< a quick run had not enough time left for it

  /// Whether tests that build on this one are meaningless.
  bool blocks() const { return blocked || outcome == Outcome::kFail || outcome == Outcome::kCrash; }
};

struct Results {
  std::filesystem::path path;
  std::string plugin;  ///< "org.example.student-t 1.0.0"; empty if its manifest cannot be read
  std::uint64_t seed = 1;
  std::vector<Result> results;
  int count(Outcome outcome) const;
  /// Whether there was neither a failure nor a crash.
  bool conforms() const;
};

/// Runs the tests. Call it in a process that has loaded no plugin and run no operator of LibTorch, unless in_process.
/// Throws Error when a setting names a component or parameter that does not exist.
Results run(const std::filesystem::path& plugin, const RunOptions& options);

/// Runs those of a plugin's components for a descriptor that this process holds already, and not those of the library.
/// All of it happens in this process. Throws as the above.
Results run(const PluginInfo& plugin, RunOptions options);

/// Returns, for people, what did not pass, with the reason, and a summary. `all`: also what passed.
std::string text_of(const Results& results, bool all);
nlohmann::json json_of(const Results& results);

/// The tests by group: a table for people, Markdown, JSON.
std::string tests_text();
std::string tests_markdown();
nlohmann::json tests_json();

}  // namespace variform::conformance
