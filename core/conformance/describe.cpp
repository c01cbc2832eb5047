// Describes results and the list of tests, for people and programs.

#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "base/table.h"
#include "base/utf8.h"
#include "conformance/run.h"

namespace variform::conformance {
namespace {

using nlohmann::json;

const Test& test_of(const Result& result) {
  const std::string kind = result.component.substr(0, result.component.find(':'));
  for (const Test& test : all_tests())
    if (test.name == result.test &&
        (test.kinds.empty() ||
         std::any_of(test.kinds.begin(), test.kinds.end(), [&](Kind k) { return kind == to_string(k); })))
      return test;
  throw Error("there is no conformance test '" + result.test + "' of " + kind);
}

std::string kinds_text(const Test& test) {
  if (test.kinds.empty()) return "the library";
  if (test.kinds.size() == kComponentKinds.size()) return "all";
  if (test.kinds.size() == kKinds) return "all of a model";
  std::string text;
  for (Kind kind : test.kinds) text += (text.empty() ? "" : ", ") + std::string(to_string(kind));
  return text;
}

constexpr std::size_t kColumns = 100, kOutcome = 9;

// Returns how wide the column of tests' names is.
std::size_t names_width() {
  std::size_t width = 0;
  for (const Test& test : all_tests()) width = std::max(width, base::utf8_width(test.name));
  return width + 2;
}

std::string line_of(const Result& result) {
  const std::string outcome = result.outcome == Outcome::kFail    ? "FAIL"
                              : result.outcome == Outcome::kCrash ? "CRASH"
                                                                  : to_string(result.outcome);
  return "  " + base::padded(outcome, kOutcome) + base::padded(result.test, names_width()) +
         std::string(test_of(result).sentence) + "\n" + base::wrapped(result.detail, kColumns, 2 + kOutcome);
}

}  // namespace

std::string text_of(const Results& results, bool all) {
  std::string text = (results.plugin.empty() ? "plugin" : results.plugin) +
                     (results.path.empty() ? "" : " (" + results.path.string() + ")") + "\n";
  std::string component, blocked;
  const auto end_component = [&] {
    if (!blocked.empty())
      text += base::wrapped("Not run, because they build on what failed: " + blocked + ".", kColumns, 2);
    blocked.clear();
  };
  for (const Result& result : results.results) {
    const bool failed = result.outcome != Outcome::kPass && result.outcome != Outcome::kSkipped;
    if (!all && !failed && !result.blocked) continue;
    if (result.component != component) {
      end_component();
      text += "\n" + (component = result.component) + "\n";
    }
    if (all || failed) text += line_of(result);
    else blocked += (blocked.empty() ? "" : ", ") + result.test;
  }
  end_component();
  text += fmt::format("\n{} passed", results.count(Outcome::kPass));
  for (const auto& [outcome, word] :
       {std::pair{Outcome::kSkipped, "skipped"}, std::pair{Outcome::kWarning, "warned"},
        std::pair{Outcome::kFail, "failed"}, std::pair{Outcome::kCrash, "crashed"}})
    if (const int n = results.count(outcome); n > 0) text += fmt::format(", {} {}", n, word);
  return fmt::format("{} (seed {}){}", text, results.seed,
                     results.conforms() ? ": the plugin conforms\n" : ": the plugin does not conform\n");
}

json json_of(const Results& results) {
  json list = json::array();
  for (const Result& result : results.results) {
    const Test& test = test_of(result);
    list.push_back({{"component", result.component},
                    {"test", result.test},
                    {"group", test.group},
                    {"sentence", test.sentence},
                    {"outcome", to_string(result.outcome)},
                    {"blocked", result.blocked},
                    {"detail", result.detail}});
    if (result.late) list.back()["late"] = true;
  }
  return {{"plugin", results.plugin},
          {"path", results.path.string()},
          {"seed", results.seed},
          {"conforms", results.conforms()},
          {"results", list}};
}

std::string tests_text() {
  const std::size_t width = names_width();
  std::string text, group;
  for (const Test& test : all_tests()) {
    if (test.group != group) text += (text.empty() ? "" : "\n") + (group = test.group) + "\n";
    text += "  " + base::padded(test.name, width) + std::string(test.sentence) + "\n";
  }
  return text;
}

std::string tests_markdown() {
  std::string text = "| group | test | of | what holds when it passes |\n|---|---|---|---|\n";
  for (const Test& test : all_tests())
    text += "| " + std::string(test.group) + " | `" + std::string(test.name) + "` | " + kinds_text(test) +
            " | " + std::string(test.sentence) + " |\n";
  return text;
}

json tests_json() {
  json list = json::array();
  for (const Test& test : all_tests())
    list.push_back({{"group", test.group},
                    {"test", test.name},
                    {"kinds", kinds_text(test)},
                    {"sentence", test.sentence}});
  return list;
}

}  // namespace variform::conformance
