// See apart.h. Uses fork, a pipe for the text, a memory file for the rest; in the child, limits and seccomp
// (apart_filter.cpp).

#include "base/apart.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/apart_filter.h"
#include "base/child.h"
#include "base/descriptor.h"
#include "base/interrupt.h"
#include "base/memory.h"

namespace variform::base {
namespace {

constexpr std::size_t kMostText = std::size_t{1} << 26;
constexpr int kOutOfMemory = 77;  // exit status
constexpr char kReturned = 'R', kThrew = 'E';

// ---- In the child

/// Limits the address space to what is mapped already plus `more` bytes. Sanitizers map terabytes: they get no limit.
void limit_memory(std::uint64_t more) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(VARIFORM_SANITIZED)
  std::uint64_t pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> pages)) return;
  rlimit limit{};
  ::getrlimit(RLIMIT_AS, &limit);
  const rlim_t wanted = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + more;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min<rlim_t>(wanted, limit.rlim_max);
  ::setrlimit(RLIMIT_AS, &limit);
#else
  static_cast<void>(more);
#endif
}

void limit_time(rlim_t seconds) {
  rlimit limit{};
  ::getrlimit(RLIMIT_CPU, &limit);
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? seconds : std::min(seconds, limit.rlim_max);
  ::setrlimit(RLIMIT_CPU, &limit);
}

/// Resets signals: the program's handlers must not run here.
void forget_signals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int terminal : {SIGINT, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE}) ::signal(terminal, SIG_IGN);
}

void say(int pipe, char kind, const std::string& text) {
  const std::string all = kind + text;
  for (std::size_t at = 0; at < all.size();) {
    const ssize_t n = ::write(pipe, all.data() + at, all.size() - at);
    if (n < 0 && errno != EINTR) ::_exit(1);
    at += static_cast<std::size_t>(n < 0 ? 0 : n);
  }
}

int be_apart(const std::function<std::string(Outbox&)>& work, const Allowance& allowance, int pipe,
             int file) {
  forget_signals();
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  limit_time(static_cast<rlim_t>(allowance.time.count()));
  limit_memory(allowance.memory);
  only_read_files();
  try {
    Outbox outbox(file);
    say(pipe, kReturned, work(outbox));
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  } catch (const std::exception& error) {
    say(pipe, kThrew, error.what());
  } catch (...) {
    say(pipe, kThrew, "unknown exception");
  }
  return 0;
}

// ---- In the program

[[noreturn]] void fail_to_start(const char* what) {
  throw std::system_error(errno, std::generic_category(),
                          std::string("a process that reads a file cannot be made (") + what + ")");
}

std::string hear(int pipe, bool heeds_signals) {
  std::string text;
  while (text.size() <= kMostText) {
    if (heeds_signals) stop_if_interrupted();
    pollfd ready[] = {{pipe, POLLIN, 0}, {heeds_signals ? interrupt_event() : -1, POLLIN, 0}};
    if (::poll(ready, 2, -1) <= 0 || ready[0].revents == 0) continue;
    char buffer[1 << 16];
    const ssize_t n = ::read(pipe, buffer, sizeof buffer);
    if (n == 0) return text;
    if (n < 0 && errno != EINTR) return text;
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
  }
  throw WorkKilled("gave more text than " + memory_text(kMostText));
}

Room room_in(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0 || status.st_size == 0) return {};
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const bytes = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (bytes == MAP_FAILED) throw std::bad_alloc();
  return {{static_cast<std::byte*>(bytes), [size](std::byte* at) { ::munmap(at, size); }}, size};
}

std::string ending(int status, const Allowance& allowance) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == kOutOfMemory)
    return "took more than " + memory_text(allowance.memory) + " of memory";
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
    return fmt::format("took more time than {} s", allowance.time.count());
  if (WIFSIGNALED(status))
    return fmt::format("crashed (signal {}, {})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("ended the process (exit status {})", WEXITSTATUS(status));
}

}  // namespace

Room own_room(std::size_t size) {
  constexpr int kOwn = MAP_PRIVATE | MAP_ANONYMOUS;
  void* const bytes = ::mmap(nullptr, std::max<std::size_t>(size, 1), PROT_READ | PROT_WRITE, kOwn, -1, 0);
  if (bytes == MAP_FAILED) throw std::bad_alloc();
  ::madvise(bytes, size, MADV_HUGEPAGE);  // a hint
  return {{static_cast<std::byte*>(bytes), [size](std::byte* at) { ::munmap(at, size); }}, size};
}

std::byte* Outbox::make_room(std::size_t size) {
  limit_memory(size + (std::uint64_t{400} << 20));
  if (size == 0) return nullptr;
  if (::ftruncate(file_, static_cast<off_t>(size)) != 0) throw std::bad_alloc();
  void* const bytes = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (bytes == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(bytes);
}

void Outbox::extend(const Allowance& by) {
  limit_memory(by.memory);
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  limit_time(static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1 + by.time.count()));
}

Handed do_apart(const std::function<std::string(Outbox&)>& work, const Allowance& allowance) {
  if (allowance.heeds_signals) stop_if_interrupted();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_to_start("pipe");
  Descriptor from(ends[0]), to(ends[1]);
  const Descriptor file(::memfd_create("variform", MFD_CLOEXEC));
  if (file.get() < 0) fail_to_start("memfd_create");
  Child child = Child::of_function([&] { return be_apart(work, allowance, to.get(), file.get()); }, {});
  to.close();
  std::string text = hear(from.get(), allowance.heeds_signals);
  const int status = child.status();
  if (text.empty() || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw WorkKilled(ending(status, allowance));
  const char kind = text.front();
  text.erase(0, 1);
  if (kind != kReturned) throw WorkFailed(text);
  return {std::move(text), room_in(file.get())};
}

}  // namespace variform::base
