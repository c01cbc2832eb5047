// Functions in processes of their own: what they answer, and how those are described that do not.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <sys/resource.h>
#include <unistd.h>

#include "base/processes.h"
#include "catch.h"

namespace {

using variform::base::Ended;
using variform::base::run_in_processes;

Ended run(const std::function<std::string()>& function) {
  return run_in_processes({function}, 1, std::chrono::milliseconds(300)).front();
}

}  // namespace

TEST_CASE("functions in processes answer in their order") {
  const auto ended = run_in_processes({[] { return std::string("one"); }, [] { return std::string("two"); }},
                                      2, std::chrono::seconds(10));
  REQUIRE(ended.size() == 2);
  CHECK(ended[0].answered);
  CHECK(ended[0].answer == "one");
  CHECK(ended[1].answer == "two");
}

TEST_CASE("a process without an answer says how it ended") {
  CHECK(run([]() -> std::string { std::abort(); }).ending.find("signal 6") != std::string::npos);
  CHECK(run([]() -> std::string { ::_exit(0); }).ending == "ended by itself, with exit status 0");
  CHECK_FALSE(run([]() -> std::string { ::_exit(0); }).answered);
  CHECK(run([]() -> std::string {
          while (true) ::pause();
        }).timed_out);
  CHECK(run([] {
          std::puts("said");
          return std::string();
        }).output == "said\n");
}

TEST_CASE("a process may bound its own time of a processor") {
  const double before = variform::base::seconds_of_children();
  const Ended ended = run_in_processes({[]() -> std::string {
                                         const rlimit bound{1, RLIM_INFINITY};
                                         ::setrlimit(RLIMIT_CPU, &bound);
                                         volatile unsigned count = 0;  // which may overflow
                                         while (true) count = count + 1;
                                       }},
                                       1, std::chrono::seconds(60))
                          .front();
  CHECK(ended.timed_out);
  const double taken = variform::base::seconds_of_children() - before;
  CHECK(taken > 0.5);  // by the tick of a busy machine a little less than 1
  CHECK(taken < 2);
}
