// What is remembered in the user's cache, and programs that are run for what they say.

#include "base/program.h"
#include "base/remembered.h"
#include "catch.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace variform::base {
namespace {

namespace fs = std::filesystem;

// A cache of its own while it lives.
class Cache {
 public:
  Cache() {
    std::string name = (fs::temp_directory_path() / "variform-cache-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    ::setenv("XDG_CACHE_HOME", folder.c_str(), 1);
  }
  ~Cache() {
    ::unsetenv("XDG_CACHE_HOME");
    fs::remove_all(folder);
  }
  fs::path folder;
};

TEST_CASE("Texts are kept by name and sort") {
  const Cache cache;
  const Remembered one("checked"), other("verified");
  CHECK(!one.find("a"));
  one.keep("a", "two\nlines");
  one.keep("b", "");
  CHECK(one.find("a") == "two\nlines");
  CHECK(one.find("b") == "");
  CHECK(!other.find("a"));
  one.keep("a", "new");
  CHECK(one.find("a") == "new");
  int files = 0;  // nothing half written is left
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(cache.folder / "variform" / "checked"))
    ++files;
  CHECK(files == 2);
}

TEST_CASE("Without a folder nothing is kept, and nothing is said") {
  ::setenv("XDG_CACHE_HOME", "/proc/none", 1);
  const Remembered nowhere("checked");
  nowhere.keep("a", "text");
  CHECK(!nowhere.find("a"));
  const Remembered::Turn turn(nowhere, 1);
  ::unsetenv("XDG_CACHE_HOME");
}

TEST_CASE("One at a time, but nobody waits for ever") {
  const Cache cache;
  const Remembered remembered("checked");
  const auto begin = std::chrono::steady_clock::now();
  const Remembered::Turn first(remembered, 1);
  const Remembered::Turn second(remembered, 0.2);
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
  CHECK(waited.count() >= 0.2);
  CHECK(waited.count() < 5);
}

TEST_CASE("A program's words and end") {
  using namespace std::chrono_literals;
  const Said said = run_program({"/bin/sh", "-c", "echo one; echo two >&2; exit 3"}, 10s);
  CHECK(said.out == "one\n");
  CHECK(said.code == 3);
  CHECK(!said.over);
  const Said killed = run_program({"/bin/sh", "-c", "echo one; kill -9 $$"}, 10s);
  CHECK(killed.code == 137);
  const Said slow = run_program({"/bin/sh", "-c", "exec sleep 60"}, 200ms);
  CHECK(slow.over);
#if !defined(__SANITIZE_THREAD__)  // see test_child.cpp
  CHECK_THROWS_WITH(run_program({"/no/such/program"}, 10s),
                    "cannot start /no/such/program: No such file or directory");
#endif
  CHECK_THROWS_AS(run_program({"no-such-program"}, 10s), std::system_error);
  CHECK(run_program({"sh", "-c", "echo found"}, 10s).out == "found\n");  // on the PATH
  CHECK(fs::exists(this_program()));
}

}  // namespace
}  // namespace variform::base
