// Handlers for everything that ends a process. What they need is prepared before: they neither allocate nor lock.

#include "base/last_words.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

#include "base/coverage.h"
#include "base/descriptor.h"
#include "base/file.h"
#include "base/frames.h"
#include "base/quote.h"

namespace variform::base {
namespace {

constexpr std::size_t kAdvice = 4096, kStackSize = 64 << 10, kNear = 64 << 10;
constexpr const char* kNeverEnds = " A component never ends the program; it throws an error.";

// For signal handlers, hence global.
struct Guard {
  Whereabouts where = nullptr;
  int code = 1;
  bool raises_again = false;
  std::atomic<pid_t> process = 0;     // of the process that is guarded; 0: none
  std::atomic<pid_t> reporter = 0;    // the thread that says why the process ends; 0: none yet
  const SignalText* cause = nullptr;  // what it has to say, until that is written
  std::atomic<int> folder = -1;       // of the run that is marked; LongCalls' thread reads it, too
  std::array<char, kAdvice> advice{};
};
Guard guard;

struct FatalSignal {
  int number;
  const char* name;
};
constexpr FatalSignal kFatal[] = {
    {SIGSEGV, "Segmentation fault"},   {SIGBUS, "Bus error"}, {SIGFPE, "Floating point exception"},
    {SIGILL, "Illegal instruction"},   {SIGABRT, "Aborted"},  {SIGSYS, "Bad system call"},
    {SIGTRAP, "Trace/breakpoint trap"}};

bool is_guarded() { return guard.where && guard.process == ::getpid(); }

// Appends to a file of the marked run.
void add_to(const char* name, const SignalText& text) {
  const Descriptor file(open_own(name, O_WRONLY | O_CREAT | O_APPEND, guard.folder));
  if (file.open()) text.write_to(file.get());
}

// Writes FAILED with `text`, removes DONE, and appends to the log.
void leave_mark(const SignalText& text) {
  if (guard.folder < 0) return;
  // FAILED is created again: the existing file may have another name (a hard link) elsewhere.
  struct stat status {};
  if (::fstatat(guard.folder, "FAILED", &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
    ::unlinkat(guard.folder, "FAILED", 0);
  add_to("FAILED", text);
  ::unlinkat(guard.folder, "DONE", 0);
  add_to("log.txt", text);
}

// Several threads may crash at once (in at::parallel_for): the first one reports and ends the process, the others wait
// for that. Returns false when this thread is the first one and has crashed again while it reported.
bool is_first_to_report() {
  pid_t first = 0;
  const pid_t thread = ::gettid();
  if (guard.reporter.compare_exchange_strong(first, thread)) return true;
  while (first != thread) ::pause();  // NOLINT(bugprone-infinite-loop): the other thread ends the process
  return false;
}

void write_report(const SignalText& what, const SignalText& place, const char* hint) {
  SignalText text;
  text << "error: " << what << place << "." << hint << "\n";
  text.add_shown(guard.advice.data());
  SignalText line;
  line << "\n" << text;
  line.write_to(STDERR_FILENO);
  leave_mark(text);
}

// Reports "error: `what`, in family strange, in posterior, at step 18.", and what to do. Ends the process if `ends`.
void report(const SignalText& what, const char* hint, bool ends = true) {
  if (is_first_to_report()) {
    guard.cause = &what;
    SignalText found, place;
    guard.where(found);
    if (found.empty()) place << ", outside of every function of a component that the program calls";
    else place << ", in " << found;
    write_report(what, place, hint);
    guard.cause = nullptr;
  } else if (const SignalText* cause = std::exchange(guard.cause, nullptr)) {
    SignalText place;
    place << ", in a place that could not be told";
    write_report(*cause, place, "");
  }
  if (!ends) return;
  write_line_counts();  // here, not in leave(), which a child of vfork() calls, too
  leave(guard.code);
}

bool is_near_the_stack(const void* address, const void* context) {
#if defined(__x86_64__)
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto stack =
      static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RSP]);
  return at + kNear > stack && at < stack + kNear;
#else
  return static_cast<void>(address), static_cast<void>(context), false;
#endif
}

// Sanitizers have handlers of their own, which say more.
[[maybe_unused]] void on_fatal_signal(int signal, siginfo_t* info, void* context) {
  if (is_guarded()) {
    const char *name = "", *hint = "";
    for (const FatalSignal& fatal : kFatal)
      if (fatal.number == signal) name = fatal.name;
    if (signal == SIGBUS) hint = " A file in use became shorter: was the plugin built again meanwhile?";
    if (signal == SIGSEGV && is_near_the_stack(info->si_addr, context))
      hint = " The stack was full: is there a recursion without an end?";
    SignalText what;
    what << "signal " << signal << " (" << name << ") ended the program";
    report(what, hint, !guard.raises_again);
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void on_exit_call(int status, void*) {
  if (!is_guarded()) return;
  SignalText what;
  what << "exit(" << status << ") was called";
  report(what, kNeverEnds);
}

void on_quick_exit() {
  if (!is_guarded()) return;
  SignalText what;
  what << "quick_exit() was called";
  report(what, kNeverEnds);
}

[[noreturn]] void on_terminate() {
  if (is_guarded()) {
    SignalText what;
    const std::exception_ptr thrown = std::current_exception();
    what << (thrown
                 ? "an exception that nothing can catch (from a destructor, a noexcept function or a thread) "
                   "ended the program"
                 : "std::terminate() was called");
    if (thrown) try {
        std::rethrow_exception(thrown);
      } catch (const std::exception& error) {
        what << ": ";
        what.add_shown(shown_lines(without_frames(error.what())).c_str());
      } catch (...) {
        what << ": it does not derive from std::exception";
      }
    report(what, "", !guard.raises_again);
  }
  std::abort();
}

void install_signal_handlers() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  for (const FatalSignal& fatal : kFatal) {
    struct sigaction action {};
    action.sa_sigaction = on_fatal_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    ::sigaction(fatal.number, &action, nullptr);
  }
#endif
}

// Endless recursion fills the stack and leaves no room for a handler on it.
void use_another_stack() {
  void* memory = ::mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = kStackSize;
  ::sigaltstack(&stack, nullptr);
}

}  // namespace

void guard_ending(Whereabouts where, int code) {
  guard.where = where;
  guard.code = code;
  guard.raises_again = shows_frames();
  guard.process = ::getpid();
  use_another_stack();
  install_signal_handlers();
  std::set_terminate(on_terminate);
  guard_exits_first();
}

void guard_exits_first() {
  ::on_exit(on_exit_call, nullptr);
  std::at_quick_exit(on_quick_exit);
}

bool restore_ending_guard() {
  if (!is_guarded()) return false;
  bool changed = std::get_terminate() != &on_terminate;
  std::set_terminate(on_terminate);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  for (const FatalSignal& fatal : kFatal) {
    struct sigaction present {};
    changed |= ::sigaction(fatal.number, nullptr, &present) == 0 && present.sa_sigaction != on_fatal_signal;
  }
#endif
  install_signal_handlers();
  return changed;
}

void mark_run(const std::filesystem::path& folder, const std::string& advice) {
  const int opened = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (const int former = guard.folder.exchange(opened); former >= 0) ::close(former);
  const std::string shown = shown_lines(advice);
  const std::size_t size = std::min(shown.size(), guard.advice.size() - 2);
  std::memcpy(guard.advice.data(), shown.data(), size);
  guard.advice[size] = '\n';
  guard.advice[size + 1] = '\0';
}

void write_beside(const std::string& line) {
  SignalText text;
  text.add_shown(line.c_str()) << "\n";
  SignalText on_terminal;
  on_terminal << "\n" << text;
  on_terminal.write_to(STDERR_FILENO);
  if (guard.folder >= 0) add_to("log.txt", text);
}

SignalText whereabouts() {
  SignalText text;
  if (guard.where) guard.where(text);
  return text;
}

void end_in_order(int code) {
  guard.process = 0;
#if defined(VARIFORM_COVERAGE)
  std::exit(code);  // plugins, too, write what they have counted
#else
  std::_Exit(code);
#endif
}

void leave(int code) {
  ::syscall(SYS_exit_group, code);
  while (true) ::pause();
}

void leaving_by(const char* function, int status) {
  if (!is_guarded()) return;
  SignalText what;
  what << function << "(" << status << ") was called";
  report(what, kNeverEnds);
}

}  // namespace variform::base
