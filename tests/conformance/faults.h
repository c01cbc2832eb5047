#pragma once
// What the tests of `variform check` share: deliberately broken components, each of which one test and no other must
// catch. The broken components have a free text parameter `fault`; without a value each is its own corrected twin.

#include "catch.h"

#include "conformance/run.h"

#include <set>
#include <string>

namespace variform::conformance {

inline std::filesystem::path faulty_plugin(const std::string& file) {
  return std::filesystem::path(testing::environment("VARIFORM_TEST_PLUGINS")) / "conformance" / file;
}

/// What the tests found, as "test: outcome" for all but passes and skips that nothing blocked.
inline std::set<std::string> found_in(const Results& results) {
  std::set<std::string> found;
  for (const Result& result : results.results)
    if (result.outcome == Outcome::kFail || result.outcome == Outcome::kCrash ||
        result.outcome == Outcome::kWarning)
      found.insert(result.test + ": " + to_string(result.outcome));
  return found;
}

/// All tests of one component of a plugin, with a fault switched on ("": none).
inline Results check_component(const std::string& file, const std::string& component,
                               const std::string& fault, double limit = 60) {
  RunOptions options;
  options.filter = component;
  options.limit = limit;
  if (!fault.empty()) options.settings[component]["fault"] = fault;
  return run(faulty_plugin(file), options);
}

/// One fault: the only thing found is `test` with `outcome`, and its detail contains `says`.
struct Fault {
  std::string fault, test;
  std::string says;
  Outcome outcome = Outcome::kFail;
};

inline void check_fault(const std::string& file, const std::string& component, const Fault& fault) {
  const Results results = check_component(file, component, fault.fault);
  CAPTURE(component, fault.fault, text_of(results, false));
  CHECK(found_in(results) == std::set<std::string>{fault.test + ": " + to_string(fault.outcome)});
  for (const Result& result : results.results)
    if (result.test == fault.test) CHECK_THAT(result.detail, testing::ContainsSubstring(fault.says));
}

/// What the tests before a first training find: the test of the fault, and no other.
inline void check_quickly(const std::string& file, const std::string& component, const Fault& fault) {
  RunOptions options;
  options.components = {component};
  options.settings[component]["fault"] = fault.fault;
  options.quick = 60;
  const Results results = run(faulty_plugin(file), options);
  CAPTURE(component, fault.fault, text_of(results, false));
  CHECK(found_in(results) == std::set<std::string>{fault.test + ": " + to_string(fault.outcome)});
  for (const Result& result : results.results) CHECK(!result.blocked);
}

/// The corrected twin, or one with what is unusual and right: every test passes or does not apply.
inline void check_twin(const std::string& file, const std::string& component,
                       const std::string& unusual = "") {
  const Results results = check_component(file, component, unusual);
  CAPTURE(component, unusual, text_of(results, false));
  CHECK(found_in(results).empty());
  CHECK(results.count(Outcome::kPass) >= 10);
}

}  // namespace variform::conformance
