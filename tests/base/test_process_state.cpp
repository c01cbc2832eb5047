// What a process is, kept and put back.

#include "base/process_state.h"

#include "catch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cfenv>
#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <locale>
#include <string>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace variform::base {
namespace {

// What restore() says after `change`, all in one text; nothing may be left to say then.
std::string said_after(const std::function<void()>& change) {
  const ProcessState before = ProcessState::now();
  change();
  std::string text;
  for (const Change& found : before.restore()) text += found.text() + "\n";
  CHECK(before.restore().empty());
  return text;
}

TEST_CASE("nothing has changed") {
  CHECK(said_after([] {}).empty());
}

TEST_CASE("the processor's modes") {
  CHECK(said_after([] { std::fesetround(FE_UPWARD); }) ==
        "the processor's rounding (was to nearest, became upward; restored)\n");
  CHECK(std::fegetround() == FE_TONEAREST);
#if defined(__SSE__)
  CHECK(said_after([] { _MM_SET_ROUNDING_MODE(_MM_ROUND_TOWARD_ZERO); }) ==
        "the processor's rounding (was to nearest, became toward zero; restored)\n");
  CHECK(_MM_GET_ROUNDING_MODE() == _MM_ROUND_NEAREST);
#endif
  CHECK(said_after([] { ::feenableexcept(FE_DIVBYZERO); }) ==
        "the floating-point exceptions that are signals (was none, became some; restored)\n");
  CHECK(::fegetexcept() == 0);
}

TEST_CASE("folder, umask, locale and environment") {
  const std::string folder = std::filesystem::current_path();
  CHECK(said_after([] { REQUIRE(::chdir("/") == 0); }) ==
        "the working folder (was " + folder + ", became /; restored)\n");
  CHECK(std::filesystem::current_path() == folder);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK(said_after([] { ::umask(077); }).starts_with("the umask (was 0"));
  CHECK(::umask(mask) == mask);
  CHECK(said_after([] { std::setlocale(LC_ALL, "C.UTF-8"); }) ==
        "the locale (was C, became C.UTF-8; restored)\n");
  CHECK(said_after([] {
          std::locale::global(std::locale("C.UTF-8"));
        }).starts_with("the locale of C++ (was C, became C.UTF-8; restored)\n"));
  CHECK(std::locale().name() == "C");
  ::setenv("TZ", "UTC", 1);
  CHECK(said_after([] {
          ::setenv("TZ", "Asia/Tokyo", 1);
          ::setenv("LC_ALL", "tr_TR", 1);
          ::setenv("SOME_OTHER", "1", 1);  // nobody reads it
        }) ==
        "the variable LC_ALL of the environment (was not set, became 'tr_TR'; restored)\n"
        "the variable TZ of the environment (was 'UTC', became 'Asia/Tokyo'; restored)\n");
  CHECK(std::string(std::getenv("TZ")) == "UTC");
}

TEST_CASE("signals and timers") {
  CHECK(said_after([] { ::signal(SIGUSR2, SIG_IGN); }) ==
        "what signal SIGUSR2 does (was the system's, became ignored; restored)\n");
  CHECK(said_after([] {
          sigset_t set;
          ::sigemptyset(&set);
          ::sigaddset(&set, SIGUSR1);
          ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
        }).starts_with("the signals that are blocked"));
  CHECK(said_after([] { ::alarm(1000); }) ==
        "a timer (alarm, setitimer) (was not set, became set; restored)\n");
  CHECK(::alarm(0) == 0);
}

TEST_CASE("standard files and limits") {
  CHECK(said_after([] { ::close(STDIN_FILENO); }) == "standard input (was open, became closed; restored)\n");
  CHECK(said_after([] {
          const int other = ::open("/dev/zero", O_RDONLY);
          ::dup2(other, STDIN_FILENO);
          ::close(other);
        }) == "standard input (was open, became another file; restored)\n");
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  CHECK(said_after([&] {
          rlimit less = limit;
          --less.rlim_cur;
          ::setrlimit(RLIMIT_NOFILE, &less);
        }).starts_with("the limit on open files (was " + std::to_string(limit.rlim_cur)));
}

TEST_CASE("threads are counted") { CHECK(thread_count() >= 1); }

}  // namespace
}  // namespace variform::base
