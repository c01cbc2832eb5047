// Starts commands by fork and exec. Between the two only what is safe in a process with threads may be called.

#include "study/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "base/contents.h"
#include "base/interrupt.h"
#include "base/retry.h"

namespace variform::study {
namespace {

// Blocks all signals while it lives: exec would forget one that comes between fork and exec.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_{};
};

[[noreturn]] void be_child(char* const* arguments, int log, pid_t parent) {
  ::setpgid(0, 0);  // Ctrl-C reaches it through the parent, once
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);
  if (const int nothing = ::open("/dev/null", O_RDONLY); nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (const int signal : base::kEndingSignals) {
    struct sigaction present {};
    if (::sigaction(signal, nullptr, &present) == 0 && present.sa_handler != SIG_IGN)
      ::sigaction(signal, &plain, nullptr);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

// The process groups of running commands, for a signal handler; 0: a free place. Commands beyond 64 are not recorded.
std::array<std::atomic<pid_t>, 64> living{};
std::atomic<pid_t> owner{0};  // of `living`

class Noted {
 public:
  explicit Noted(pid_t child) {
    owner = ::getpid();
    for (std::atomic<pid_t>& place : living)
      if (pid_t none = 0; place.compare_exchange_strong(none, child)) {
        place_ = &place;
        return;
      }
  }
  ~Noted() {
    if (place_) *place_ = 0;
  }
  Noted(const Noted&) = delete;
  Noted& operator=(const Noted&) = delete;

 private:
  std::atomic<pid_t>* place_ = nullptr;
};

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

Exit execute(const std::vector<std::string>& arguments, const std::filesystem::path& log,
             const std::function<bool()>& interrupted, const std::function<bool()>& unwanted) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  constexpr int kAppending = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
  const int file = base::retried([&] { return ::open(log.c_str(), kAppending, 0666); });
  if (file < 0) throw std::system_error(errno, std::generic_category(), "cannot write " + log.string());
  const pid_t parent = ::getpid();
  const auto [child, error] = [&] {
    const SignalsHeld held;
    const pid_t forked = ::fork();
    if (forked == 0) be_child(pointers.data(), file, parent);
    return std::pair(forked, errno);
  }();
  ::close(file);
  if (child < 0) throw std::system_error(error, std::generic_category(), "cannot start " + arguments[0]);

  const Noted noted(child);
  Exit exit;
  for (int status = 0;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) {
      exit.code = code_of(status);
      return exit;
    }
    if (ended < 0 && errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "lost " + arguments[0]);
    if (!exit.interrupted && interrupted && interrupted()) {
      ::kill(child,
             SIGTERM);  // not SIGINT: a terminal sends that to the child as well, and the third one ends it
      exit.interrupted = true;
    }
    if (!exit.killed && unwanted && unwanted()) {
      ::kill(-child, SIGKILL);
      exit.killed = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void kill_commands() noexcept {
  if (owner != ::getpid()) return;
  for (const std::atomic<pid_t>& place : living)
    if (const pid_t group = place; group > 0) ::kill(-group, SIGKILL);
}

std::string text_since(const std::filesystem::path& log, std::size_t start) {
  try {
    const std::string text = base::contents_of(log, base::kMostOfLog);
    return text.substr(std::min(start, text.size()));
  } catch (const std::runtime_error&) {
    return {};
  }
}

}  // namespace variform::study
