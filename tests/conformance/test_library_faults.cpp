// What is wrong with a library as a file, or with loading it, is caught by the test that is named here and by no other;
// and whatever a library does to the process that loads it, the program that checks it goes on.

#include "faults.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace variform::conformance {
namespace {

using testing::ContainsSubstring;

// All tests, or those of the library alone.
Results check_library(const std::string& file, double limit = 60, const std::string& filter = "") {
  RunOptions options;
  options.limit = limit;
  options.filter = filter;
  return run(faulty_plugin(file), options);
}

const Result& result_of(const Results& results, const std::string& test) {
  for (const Result& result : results.results)
    if (result.test == test) return result;
  throw Error("the test '" + test + "' was not run");
}

// Only `test` finds something in the library, and says `says`.
void check_finding(const Results& results, const std::string& test, const std::string& says,
                   Outcome outcome = Outcome::kFail) {
  CAPTURE(test, text_of(results, false));
  CHECK(found_in(results) == std::set<std::string>{test + ": " + to_string(outcome)});
  CHECK_THAT(result_of(results, test).detail, ContainsSubstring(says));
  CHECK(results.conforms() == (outcome == Outcome::kWarning));
}

// The library at_load.so does `what` as long as this lives.
class AtLoad {
 public:
  explicit AtLoad(const char* what) { ::setenv("VARIFORM_TEST_AT_LOAD", what, 1); }
  ~AtLoad() { ::unsetenv("VARIFORM_TEST_AT_LOAD"); }
};

void check_at_load(const char* what, const std::string& test, const std::string& says,
                   Outcome outcome = Outcome::kFail, double limit = 60) {
  const AtLoad at_load(what);
  INFO("at load: " << what);
  check_finding(check_library("at-load.so", limit, "library"), test, says, outcome);
}

TEST_CASE("A test needs only what stands before it") {
  for (std::size_t i = 0; i < all_tests().size(); ++i)
    for (std::string_view need : all_tests()[i].needs) {
      CAPTURE(std::string(all_tests()[i].name), std::string(need));
      const auto& tests = all_tests();
      CHECK(std::any_of(tests.begin(), tests.begin() + static_cast<std::ptrdiff_t>(i),
                        [&](const Test& test) { return test.name == need; }));
    }
}

TEST_CASE("A right library passes everything") {
  const Results results = check_library("at-load.so");
  CAPTURE(text_of(results, false));
  // A linear encoder has nothing that depends on its mode; all that applies passes.
  CHECK(found_in(results).empty());
  CHECK(results.count(Outcome::kPass) > 25);
}

TEST_CASE("How a library is linked") {
#ifndef VARIFORM_COVERAGE  // whose library of counters exports its own
  check_finding(check_library("exporting.so"), "exports", "helper_of_a_plugin");
#endif
  check_finding(check_library("unloadable.so"), "flags", "-z nodelete");
  check_finding(check_library("rpath.so"), "flags", "/nowhere/at/all");
  check_finding(check_library("registering.so"), "registrations", "TORCH_LIBRARY");
}

TEST_CASE("What a library says about itself") {
  check_finding(check_library("two-tongues.so"), "loads", "encoder:");
  check_finding(check_library("unbound.so"), "fingerprint", "does not refer to the symbol");
}

TEST_CASE("What a library does when it is loaded") {
  check_at_load("crash", "loads", "signal 11", Outcome::kCrash);
  check_at_load("exit", "loads", "exit status 0", Outcome::kCrash);
  check_at_load("wait", "loads", "did not end within 1 s", Outcome::kFail, 1);
  check_at_load("print", "quiet", "prints 8 bytes");
  check_at_load("print a lot", "quiet", "prints 3100000 bytes");
  check_at_load("print for ever", "loads", "signal 25", Outcome::kCrash, 30);
  check_at_load("sleep", "load-time", "to load", Outcome::kWarning);
  check_at_load("dtype", "process-settings", "LibTorch's default dtype");
  check_at_load("draw", "process-settings", "the global random generator");
  check_at_load("threads", "process-settings", "the number of threads");
  check_at_load("locale", "process-settings", "the locale");
  check_at_load("signal", "process-settings", "what signal SIG");
}

TEST_CASE("An exception at load ends one process only") {
  const AtLoad at_load("throw");
  const Results results = check_library("at-load.so");
  CAPTURE(text_of(results, false));
  CHECK_FALSE(results.conforms());
  CHECK(found_in(results).size() == 1);
}

TEST_CASE("A library that closes every descriptor and waits is killed when its time is over") {
  check_at_load("close everything and wait", "loads", "did not end within 1 s", Outcome::kFail, 1);
}

TEST_CASE("A library without standard output, or with a thread that never ends, can be tested") {
  check_at_load("close stdout", "process-settings", "standard output");
  const AtLoad at_load("thread");
  const Results results = check_library("at-load.so");
  CAPTURE(text_of(results, false));
  CHECK(results.conforms());
}

TEST_CASE("What a library starts ends with its test") {
  const std::filesystem::path mark =
      std::filesystem::temp_directory_path() / ("variform-check-" + std::to_string(::getpid()) + ".txt");
  ::setenv("VARIFORM_TEST_MARK", mark.c_str(), 1);
  const auto begin = std::chrono::steady_clock::now();
  {
    const AtLoad at_load("fork");
    RunOptions options;
    options.filter = "load";
    const Results results = run(faulty_plugin("at-load.so"), options);
    CAPTURE(text_of(results, false));
    CHECK(results.conforms());
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));  // nobody waited for the child
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  std::ifstream file(mark);
  int children = 0;
  for (pid_t child = 0; file >> child; ++children) {
    // Gone, or a zombie that nobody has collected.
    std::ifstream status("/proc/" + std::to_string(child) + "/stat");
    std::string number, name, state = "gone";
    status >> number >> name >> state;
    CHECK((state == "gone" || state == "Z" || state == "X"));
  }
  CHECK(children > 0);
  std::filesystem::remove(mark);
  ::unsetenv("VARIFORM_TEST_MARK");
}

TEST_CASE("Results as JSON") {
  const Results results = check_library("rpath.so");
  const nlohmann::json json = json_of(results);
  CHECK(json.at("seed") == 1);
  CHECK(json.at("conforms") == false);
  CHECK(json.at("plugin") == "org.variform.test.rpath 1.0.0");
  CHECK(json.at("results").size() == results.results.size());
  for (const auto& result : json.at("results")) {
    CHECK_FALSE(result.at("sentence").get<std::string>().empty());
    CHECK_FALSE(result.at("outcome").get<std::string>().empty());
    CHECK(result.contains("detail"));
  }
}

}  // namespace
}  // namespace variform::conformance
