// Child processes: what they begin with, how their end is noticed, and that nothing is left of them.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/child.h"
#include "base/program.h"
#include "catch.h"

namespace {

using variform::base::Birth;
using variform::base::Child;
using variform::base::code_of;
using variform::base::Descriptor;
using variform::base::run_program;
using variform::base::Said;

Child::Time in(int milliseconds) {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
}

std::array<Descriptor, 2> pipe_of_two() {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// Returns what is written to a pipe until nobody holds its other end.
std::string all_of(const Descriptor& from) {
  std::string text;
  char some[256];
  for (ssize_t n = 0; (n = ::read(from.get(), some, sizeof some)) > 0;)
    text.append(some, static_cast<std::size_t>(n));
  return text;
}

Said shell(const std::string& script, int limit = 60'000) {
  return run_program({"sh", "-c", script}, std::chrono::milliseconds(limit));
}

void do_nothing(int) {}

// Sets what a signal does while it lives.
class Handled {
 public:
  Handled(int signal, void (*handler)(int)) : signal_(signal), before_(std::signal(signal, handler)) {}
  ~Handled() { std::signal(signal_, before_); }
  Handled(const Handled&) = delete;
  Handled& operator=(const Handled&) = delete;

 private:
  int signal_;
  void (*before_)(int);
};

}  // namespace

TEST_CASE("a program begins with the streams and the folder that it is given") {
  auto [from, to] = pipe_of_two();
  const std::string folder = std::filesystem::canonical(std::filesystem::temp_directory_path()).string();
  Child child =
      Child::of_program({"sh", "-c", "cat; pwd; echo lost >&2"}, {.out = to.get(), .folder = folder});
  to.close();
  CHECK(all_of(from) == folder + "\n");
  CHECK(code_of(child.status()) == 0);
  CHECK(run_program({"sh", "-c", "echo kept >&2"}, std::chrono::minutes(1), {.keeps_errors = true}).out ==
        "kept\n");
}

TEST_CASE("descriptors become streams whatever their numbers") {
  Child child = Child::of_function(
      [] {
        ::close(0);
        ::close(1);
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0 || ends[0] != 0 || ends[1] != 1) return 2;
        Child said = Child::of_program({"echo", "yes"}, {.out = 1});
        said.status();
        char text[8] = {};
        return ::read(0, text, sizeof text) == 4 && std::string(text) == "yes\n" ? 3 : 4;
      },
      {});
  CHECK(code_of(child.status()) == 3);
}

TEST_CASE("streams may change places") {
  auto [from_one, one] = pipe_of_two();
  auto [from_two, two] = pipe_of_two();
  Child child = Child::of_function(
      [] {
        const std::vector<std::string> both{"sh", "-c", "echo output; echo error >&2"};
        return code_of(Child::of_program(both, {.out = 2, .error = 1}).status());
      },
      {.out = one.get(), .error = two.get()});
  one.close();
  two.close();
  CHECK(all_of(from_one) == "error\n");
  CHECK(all_of(from_two) == "output\n");
  CHECK(code_of(child.status()) == 0);
}

TEST_CASE("a program that cannot be started is an error that says why") {
  const auto why = [](const std::string& program, const Birth& birth) {
    try {
      Child::of_program({program}, birth);
    } catch (const std::system_error& error) {
      return error.code().value();
    }
    return 0;
  };
  CHECK(why("variform-no-such-program", {}) == ENOENT);
#if !defined(__SANITIZE_THREAD__)  // makes vfork() a fork(), whose child cannot say it
  CHECK(why("/dev/null", {}) == EACCES);
  CHECK(why("true", {.folder = "/no/such/folder"}) == ENOENT);
  CHECK(why("true", {.out = 12345}) == EBADF);
#endif
}

TEST_CASE("a program's end is told with its status or its signal") {
  CHECK(shell("exit 3").code == 3);
  CHECK(shell("exit 3").signal == 0);
  CHECK(shell("kill -9 $$").code == 137);
  CHECK(shell("kill -9 $$").signal == SIGKILL);
}

TEST_CASE("signals have their defaults in a program, and ignored ones stay ignored") {
  const Handled handled(SIGTERM, do_nothing), ignored(SIGHUP, SIG_IGN);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  CHECK(shell("kill -TERM $$").signal == SIGTERM);
  CHECK(shell("kill -USR1 $$").signal == SIGUSR1);
  CHECK(shell("kill -HUP $$; exit 3").code == 3);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE("an end is waited for, not polled") {
  Child child = Child::of_program({"sleep", "0.5"}, {});
  CHECK_FALSE(child.ends_by(in(10)));
  rusage before{}, after{};
  ::getrusage(RUSAGE_THREAD, &before);
  CHECK(child.ends_by(in(60'000)));
  ::getrusage(RUSAGE_THREAD, &after);
  CHECK(after.ru_nvcsw - before.ru_nvcsw < 10);  // times that this thread has given up its processor
  CHECK(child.ends_by(in(0)));
  CHECK(code_of(child.status()) == 0);
  CHECK(code_of(child.status()) == 0);  // may be asked for again
}

TEST_CASE("a group is killed with what a child has started, even after its own end") {
  auto [from, to] = pipe_of_two();
  Child child = Child::of_program({"sh", "-c", "sleep 60 & echo $!"}, {.out = to.get(), .leads_group = true});
  to.close();
  CHECK(child.ends_by(in(60'000)));
  const auto start = std::chrono::steady_clock::now();
  child.kill();
  CHECK_FALSE(all_of(from).empty());  // which waits for the sleeper's end
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));
}

TEST_CASE("a child ends with its owner, and with the thread that has started it") {
  pid_t id = 0;
  {
    const Child child = Child::of_program({"sleep", "60"}, {});
    id = child.id();
  }
  CHECK(::kill(id, 0) == -1);
#if !defined(__SANITIZE_THREAD__)  // makes vfork() a fork(): the thread may end before its child is watched
  std::optional<Child> child;
  std::thread([&] { child.emplace(Child::of_program({"sleep", "60"}, {})); }).join();
  CHECK(child->ends_by(in(30'000)));
  CHECK(code_of(child->status()) == 128 + SIGKILL);
#endif
}

TEST_CASE("a program is killed at the end of its time, also when it has closed its output before") {
  CHECK(shell("sleep 60", 200).over);
  CHECK(shell("exec >&-; sleep 60", 200).over);
  CHECK_FALSE(shell("true").over);
}
