// See child.h. Between vfork() and exec a child shares this process's memory, and after fork() it has one of several
// threads: only what is safe then is called, and no signal handler runs.

#include "base/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/coverage.h"
#include "base/interrupt.h"
#include "base/program.h"
#include "base/retry.h"

namespace variform::base {
namespace {

constexpr int kNotBegun = 127;                          // exit status, as shells have it
constexpr std::chrono::milliseconds kWithoutAnEnd{10};  // between looks, on kernels that tell nobody of ends
constexpr std::chrono::milliseconds kLongest{3'600'000};  // of one wait

// Blocks all signals while it lives: a handler must not run in a child that is not itself yet.
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

// Makes three descriptors the standard streams, whatever their numbers. False: errno says why not.
bool set_streams(const Birth& birth) {
  const int nothing = retried([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); });
  int streams[] = {birth.in, birth.out, birth.error};
  for (int& stream : streams)  // above those that they replace
    if ((stream = ::fcntl(stream < 0 ? nothing : stream, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) < 0)
      return false;
  for (int number = 0; number < 3; ++number)
    if (retried([&] { return ::dup2(streams[number], number); }) < 0) return false;
  for (const int stream : streams) ::close(stream);
  if (nothing > STDERR_FILENO) ::close(nothing);
  return true;
}

void set_signals() {
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (const int signal : kEndingSignals) {
    struct sigaction present {};
    if (::sigaction(signal, nullptr, &present) == 0 && present.sa_handler != SIG_IGN)
      ::sigaction(signal, &plain, nullptr);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Makes this fresh process what it is to be. False: errno says why not.
bool prepare(const Birth& birth, pid_t parent) {
  if (birth.leads_group) ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, birth.signal_of_orphans);
  if (::getppid() != parent) ::_exit(kNotBegun);  // it has died before it could be watched
  if (!set_streams(birth)) return false;
  if (!birth.folder.empty() && ::chdir(birth.folder.c_str()) != 0) return false;
  set_signals();
  return true;
}

[[noreturn]] void become(char* const* arguments, const Birth& birth, pid_t parent, volatile int& error) {
  // Not execv(): builds that count lines replace that by one that writes their counts first.
  if (prepare(birth, parent)) ::syscall(SYS_execve, arguments[0], arguments, environ);
  error = errno;
  ::_exit(kNotBegun);
}

// vfork() copies no page tables, and hands `error` over through the shared memory. Nothing here lives across it that a
// compiler might keep in a register.
[[gnu::noinline]] pid_t start(char* const* arguments, const Birth& birth, volatile int& error) {
  const pid_t parent = ::getpid();
  const pid_t child = ::vfork();
  if (child == 0) become(arguments, birth, parent, error);
  if (child < 0) error = errno;
  return child;
}

[[noreturn]] void be(const std::function<int()>& function, const Birth& birth, pid_t parent) {
  const int code = prepare(birth, parent) ? function() : kNotBegun;
  write_line_counts();
  ::_exit(code);
}

int reaped(pid_t id) {
  int status = 0;
  retried([&] { return ::waitpid(id, &status, 0); });
  return status;
}

// Whether it has ended; leaves it to be reaped, so that its number stays its own.
bool has_ended(pid_t id) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(id), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == id;
}

}  // namespace

Child::Child(pid_t id, bool leads_group)
    : id_(id), leads_group_(leads_group), end_(static_cast<int>(::syscall(SYS_pidfd_open, id, 0))) {}

Child Child::of_program(const std::vector<std::string>& arguments, const Birth& birth) {
  const auto fail = [&](int why) {
    throw std::system_error(why, std::generic_category(), "cannot start " + arguments[0]);
  };
  std::string program = on_path(arguments[0]);
  if (program.find('/') == std::string::npos) fail(ENOENT);  // nor is it looked for in the working folder
  std::vector<char*> pointers{program.data()};
  for (std::size_t i = 1; i < arguments.size(); ++i)
    pointers.push_back(const_cast<char*>(arguments[i].c_str()));
  pointers.push_back(nullptr);
  volatile int error = 0;
  const pid_t id = [&] {
    const SignalsHeld held;
    return start(pointers.data(), birth, error);
  }();
  if (error != 0) {
    if (id > 0) reaped(id);
    fail(error);
  }
  return {id, birth.leads_group};
}

Child Child::of_function(const std::function<int()>& function, const Birth& birth) {
  std::fflush(nullptr);  // or the child would print this process's buffers again
  const pid_t parent = ::getpid();
  const auto [id, error] = [&] {
    const SignalsHeld held;
    const pid_t forked = ::fork();
    if (forked == 0) be(function, birth, parent);
    return std::pair(forked, errno);
  }();
  if (id < 0) throw std::system_error(error, std::generic_category(), "a process cannot be made (fork)");
  if (birth.leads_group) ::setpgid(id, id);  // in both, since either may come first
  return {id, birth.leads_group};
}

Child::Child(Child&& other) noexcept
    : id_(std::exchange(other.id_, -1)),
      leads_group_(other.leads_group_),
      status_(other.status_),
      end_(std::move(other.end_)) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(leads_group_, other.leads_group_);
  std::swap(status_, other.status_);
  end_ = std::move(other.end_);
  return *this;
}

Child::~Child() {
  if (id_ <= 0) return;
  kill();
  status();
}

bool Child::ends_by(Time time) {
  while (id_ > 0 && !has_ended(id_)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd end{end_.get(), POLLIN, 0};
    ::poll(&end, 1, static_cast<int>(std::min(left, end_.open() ? kLongest : kWithoutAnEnd).count()));
  }
  return true;
}

void Child::send(int signal) const {
  if (id_ > 0) ::kill(id_, signal);
}

void Child::kill() const {
  if (id_ > 0) ::kill(leads_group_ ? -id_ : id_, SIGKILL);
}

int Child::status() {
  if (id_ > 0) status_ = reaped(std::exchange(id_, -1));
  return status_;
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace variform::base
