// What a process says that code of others ends, each time in a process of its own.

#include "base/last_words.h"
#include "base/long_calls.h"

#include "catch.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>

namespace variform::base {
namespace {

namespace fs = std::filesystem;
constexpr int kCode = 7;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Left {
  int status = 0;
  std::string failed, log, said;
  bool is_done = true;
};

// A run with DONE, whose process `end` ends.
Left left_after(const std::function<void()>& end, Whereabouts where) {
  char name[] = "/tmp/variform-words-XXXXXX";
  const fs::path run = ::mkdtemp(name);
  std::ofstream(run / "DONE") << "{}";
  const pid_t child = ::fork();
  if (child == 0) {
    if (!std::freopen((run / "stderr").c_str(), "w", stderr)) ::_exit(1);
    ::unsetenv("VARIFORM_BACKTRACE");
    guard_ending(where, kCode);
    mark_run(run, "Go on with it.");
    end();
    end_in_order(0);
  }
  Left left;
  ::waitpid(child, &left.status, 0);
  left.failed = text_of(run / "FAILED");
  left.log = text_of(run / "log.txt");
  left.said = text_of(run / "stderr");
  left.is_done = fs::exists(run / "DONE");
  fs::remove_all(run);
  return left;
}

void fall_off() { throw std::runtime_error("the sensor fell off"); }

void fall_off_badly() { throw std::runtime_error("é\x7f\xc2\x9b[31m\xe2\x80\xae \x9b"); }

void in_a_call(SignalText& text) { text << "family strange, in posterior, at step " << 18; }
void in_none(SignalText&) {}
[[maybe_unused]] void in_a_slow_call(SignalText& text) {
  ::usleep(200'000);
  in_a_call(text);
}
[[maybe_unused]] void in_a_place_that_crashes(SignalText&) { ::raise(SIGSEGV); }

TEST_CASE("an end that was asked for leaves nothing") {
  const Left left = left_after([] {}, in_a_call);
  CHECK(WEXITSTATUS(left.status) == 0);
  CHECK(left.failed + left.log + left.said == "");
  CHECK(left.is_done);
}

TEST_CASE("every other end is said and marked") {
  struct Way {
    const char* said;
    std::function<void()> end;
  };
  const Way ways[] = {
    {"exit(0) was called", [] { std::exit(0); }},
    {"quick_exit() was called", [] { std::quick_exit(0); }},
    {"std::terminate() was called", [] { std::terminate(); }},
    {"ended the program: the sensor fell off", []() noexcept { fall_off(); }},
    {"_exit(3) was called", [] { leaving_by("_exit", 3); }},
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    {"signal 6 (Aborted) ended the program", [] { std::abort(); }},
    {"signal 11 (Segmentation fault) ended the program", [] { ::raise(SIGSEGV); }},
#endif
  };
  for (const Way& way : ways) {
    CAPTURE(way.said);
    const Left left = left_after(way.end, in_a_call);
    CHECK(WIFEXITED(left.status));
    CHECK(WEXITSTATUS(left.status) == kCode);
    CHECK(left.failed.find(std::string(way.said) + ", in family strange, in posterior, at step 18.") !=
          std::string::npos);
    CHECK(left.failed.ends_with("\nGo on with it.\n"));
    CHECK(left.log == left.failed);
    CHECK(left.said == "\n" + left.failed);
    CHECK_FALSE(left.is_done);
  }
}

TEST_CASE("an end outside of calls says so") {
  CHECK(
      left_after([] { std::exit(0); }, in_none)
          .failed.starts_with(
              "error: exit(0) was called, outside of every function of a component that the program calls."));
}

TEST_CASE("what an exception says reaches a terminal and files without control characters") {
  const Left left = left_after([]() noexcept { fall_off_badly(); }, in_a_call);
  CHECK(left.failed.find("ended the program: é\\x7f\\xc2\\x9b[31m\\xe2\\x80\\xae \\x9b, in family") !=
        std::string::npos);
  CHECK(left.said == "\n" + left.failed);
}

// Has a process that marks a run end in a folder that `prepare` has filled; nothing in it reaches its file "victim".
void end_in(const std::function<void(const fs::path& run)>& prepare) {
  char name[] = "/tmp/variform-mark-XXXXXX";
  const fs::path folder = ::mkdtemp(name), run = folder / "run";
  std::ofstream(folder / "victim") << "whole";
  fs::create_directory(run);
  prepare(run);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // which ends what would wait
    if (!std::freopen("/dev/null", "w", stderr)) ::_exit(1);
    guard_ending(in_a_call, kCode);
    mark_run(run, "Go on with it.");
    std::exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == kCode));
  CHECK(text_of(folder / "victim") == "whole");
  if (fs::is_regular_file(run / "FAILED"))
    CHECK(text_of(run / "FAILED").starts_with("error: exit(0) was called"));
  fs::remove_all(folder);
}

TEST_CASE("a mark is neither waited for nor written into a file that has a name elsewhere") {
  end_in([](const fs::path& run) {
    for (const char* name : {"FAILED", "log.txt"}) REQUIRE(::mkfifo((run / name).c_str(), 0600) == 0);
  });
  end_in([](const fs::path& run) { fs::create_hard_link(run.parent_path() / "victim", run / "FAILED"); });
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("of threads that crash at once one speaks, and nothing is lost") {
  const Left left = left_after(
      [] {
        std::thread other([] { ::raise(SIGFPE); }), another([] { ::raise(SIGFPE); });
        ::raise(SIGFPE);
        other.join();
        another.join();
      },
      in_a_slow_call);
  CHECK(WIFEXITED(left.status));
  CHECK(WEXITSTATUS(left.status) == kCode);
  CHECK(left.failed ==
        "error: signal 8 (Floating point exception) ended the program, in family strange, in posterior, at "
        "step 18.\nGo on with it.\n");
  CHECK(left.log == left.failed);
  CHECK(left.said == "\n" + left.failed);
  CHECK_FALSE(left.is_done);
}

TEST_CASE("a crash in the report leaves what is known without it") {
  const Left left = left_after([] { ::raise(SIGFPE); }, in_a_place_that_crashes);
  CHECK(WEXITSTATUS(left.status) == kCode);
  CHECK(left.failed ==
        "error: signal 8 (Floating point exception) ended the program, in a place that could not be "
        "told.\nGo on with it.\n");
  CHECK(left.log == left.failed);
  CHECK(left.said == "\n" + left.failed);
  CHECK_FALSE(left.is_done);
}
#endif

TEST_CASE("children end as they like") {
  const Left left = left_after(
      [] {
        const pid_t child = ::fork();
        if (child == 0) std::exit(0);
        int status = 0;
        ::waitpid(child, &status, 0);
        if (WEXITSTATUS(status) != 0) end_in_order(1);
      },
      in_a_call);
  CHECK(WEXITSTATUS(left.status) == 0);
  CHECK(left.said == "");
}

TEST_CASE("a terminate handler of others is taken away") {
  const Left left = left_after(
      [] {
        std::set_terminate([] { end_in_order(0); });
        if (!restore_ending_guard()) end_in_order(0);
        std::terminate();
      },
      in_a_call);
  CHECK(WEXITSTATUS(left.status) == kCode);
}

TEST_CASE("a long call is told while it lasts") {
  const Left left = left_after(
      [] {
        ::setenv("VARIFORM_CALL_SECONDS", "0.1", 1);
        const LongCalls long_calls([] { return std::uint64_t{1}; });
        ::usleep(600'000);
      },
      in_a_call);
  CHECK(left.said.starts_with("\nnote: family strange, in posterior, at step 18: has not returned for 0.1"));
  CHECK(left.log.starts_with("note: family strange"));
}

TEST_CASE("text of signals has no control characters") {
  SignalText text;
  text << "a\x1b[2Jb\x7f\xc2\x9b" << -12 << " " << std::int64_t{9'000'000'000};
  CHECK(std::string(text.text()) == "a?[2Jb?\?\?-12 9000000000");
  SignalText whole;
  whole.add_shown("é") << text;
  CHECK(std::string(whole.text()) == "éa?[2Jb?\?\?-12 9000000000");
}

}  // namespace
}  // namespace variform::base
