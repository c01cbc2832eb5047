// Reads, compares and restores each setting by itself.

#include "base/process_state.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cfenv>
#include <climits>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <locale>
#include <map>
#include <new>
#include <string_view>
#include <utility>

#include "base/last_words.h"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

extern char** environ;

namespace variform::base {
namespace {

constexpr int kSignals = 65, kStandardFiles = 3;
constexpr std::array kTimers = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
constexpr std::array kLimits = {RLIMIT_CPU,    RLIMIT_FSIZE, RLIMIT_DATA,  RLIMIT_STACK,  RLIMIT_CORE,
                                RLIMIT_NOFILE, RLIMIT_AS,    RLIMIT_NPROC, RLIMIT_MEMLOCK};
constexpr const char* kLimitNames[] = {"CPU time",   "file size", "data",      "stack",        "core files",
                                       "open files", "memory",    "processes", "locked memory"};
// Variables that this program, LibTorch or the system's libraries read while they run.
constexpr std::string_view kRead[] = {
    "OMP_",     "KMP_",  "GOMP_",   "MKL_",      "DNNL_",     "ONEDNN_", "ATEN_",  "TORCH_",
    "PYTORCH_", "CUDA_", "CUBLAS_", "NVIDIA_",   "VARIFORM_", "LC_",     "LD_",    "HDF5_",
    "XDG_",     "TZ=",   "LANG=",   "LANGUAGE=", "PATH=",     "HOME=",   "TMPDIR="};

std::map<std::string, std::string> variables() {
  std::map<std::string, std::string> found;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    for (std::string_view prefix : kRead)
      if (text.starts_with(prefix)) found[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  return found;
}

std::string rounding_name(int mode) {
  switch (mode) {
    case FE_TONEAREST: return "to nearest";
    case FE_UPWARD: return "upward";
    case FE_DOWNWARD: return "downward";
    case FE_TOWARDZERO: return "toward zero";
    default: return std::to_string(mode);
  }
}

// Returns the control word of vector arithmetic without its exception flags. glibc's fegetround() does not read it.
unsigned control_word() {
#if defined(__SSE__)
  return _mm_getcsr() & ~0x3FU;
#else
  return 0;
#endif
}

// Returns <cfenv>'s name for the rounding of vector arithmetic.
[[maybe_unused]] int rounding_of(unsigned word) {
  constexpr unsigned kRounding = 0x6000;
  switch (word & kRounding) {
    case 0x2000: return FE_DOWNWARD;
    case 0x4000: return FE_UPWARD;
    case 0x6000: return FE_TOWARDZERO;
    default: return FE_TONEAREST;
  }
}

std::string denormals_name(unsigned word) { return (word & 0x8040U) != 0 ? "zero" : "as they are"; }
std::string traps_name(unsigned word) { return (word & 0x1F80U) == 0x1F80U ? "none" : "some"; }

std::string folder_name() {
  std::array<char, PATH_MAX> buffer{};
  return ::getcwd(buffer.data(), buffer.size()) ? buffer.data() : "a folder that is gone";
}

// Reads the umask without umask(), which would change it.
unsigned umask_now() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Umask:")) return static_cast<unsigned>(std::strtoul(line.c_str() + 6, nullptr, 8));
  return 022;
}

std::string octal(unsigned number) {
  std::string text;
  for (; number > 0; number /= 8) text.insert(text.begin(), static_cast<char>('0' + number % 8));
  return "0" + text;
}

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_rdev == b.st_rdev;
}

bool is_same(const struct sigaction& a, const struct sigaction& b) {
  return a.sa_handler == b.sa_handler && (a.sa_flags & SA_SIGINFO) == (b.sa_flags & SA_SIGINFO);
}

std::string handler_name(const struct sigaction& action) {
  if (action.sa_handler == SIG_DFL) return "the system's";
  return action.sa_handler == SIG_IGN ? "ignored" : "a function";
}

const char* name_of_file(int number) {
  constexpr const char* kNames[] = {"standard input", "standard output", "standard error"};
  return kNames[number];
}

std::string limit_text(rlim_t limit) { return limit == RLIM_INFINITY ? "none" : std::to_string(limit); }

}  // namespace

std::string Change::text() const {
  return what + " (was " + was + ", became " + became + "; " +
         (restored ? "restored)" : "this cannot be undone)");
}

struct ProcessState::Kept {
  // A standard descriptor: the file that it stands for, and a duplicate.
  struct StandardFile {
    bool is_open = false;
    struct stat status {};
    int flags = 0, copy = -1;
  };

  struct SignalAction {
    bool known = false;
    struct sigaction action {};
  };

  int rounding = FE_TONEAREST;
  unsigned control = 0;
  int folder = -1;
  struct stat folder_status {};
  std::string folder_path, c_locale, cpp_locale;
  std::locale locale;
  locale_t of_thread{};
  std::map<std::string, std::string> environment;
  std::array<SignalAction, kSignals> signals;
  sigset_t mask{};
  unsigned umask = 0;
  std::array<StandardFile, kStandardFiles> files;
  std::array<rlimit, kLimits.size()> limits{};
  std::array<itimerval, kTimers.size()> timers{};
  std::new_handler out_of_memory = nullptr;

  Kept();
  ~Kept();
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  void restore_processor(std::vector<Change>& changes) const;
  void restore_folder(std::vector<Change>& changes) const;
  void restore_locale(std::vector<Change>& changes) const;
  void restore_environment(std::vector<Change>& changes) const;
  void restore_signals(std::vector<Change>& changes) const;
  void restore_files(std::vector<Change>& changes) const;
  void restore_limits(std::vector<Change>& changes) const;
};

ProcessState::Kept::Kept()
    : rounding(std::fegetround()),
      control(control_word()),
      folder(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)),
      folder_path(folder_name()),
      c_locale(std::setlocale(LC_ALL, nullptr)),
      cpp_locale(std::locale().name()),
      of_thread(::uselocale(locale_t{})),
      environment(variables()),
      umask(umask_now()),
      out_of_memory(std::get_new_handler()) {
  ::fstat(folder, &folder_status);
  for (int signal = 1; signal < kSignals; ++signal) {
    SignalAction& kept = signals[static_cast<std::size_t>(signal)];
    kept.known = ::sigaction(signal, nullptr, &kept.action) == 0;
  }
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int file = 0; file < kStandardFiles; ++file) {
    StandardFile& kept = files[static_cast<std::size_t>(file)];
    kept.is_open = ::fstat(file, &kept.status) == 0;
    if (!kept.is_open) continue;
    kept.flags = ::fcntl(file, F_GETFL);
    kept.copy = ::fcntl(file, F_DUPFD_CLOEXEC, kStandardFiles);
  }
  for (std::size_t i = 0; i < kLimits.size(); ++i) ::getrlimit(kLimits[i], &limits[i]);
  for (std::size_t i = 0; i < kTimers.size(); ++i) ::getitimer(kTimers[i], &timers[i]);
}

ProcessState::Kept::~Kept() {
  if (folder >= 0) ::close(folder);
  for (const StandardFile& file : files)
    if (file.copy >= 0) ::close(file.copy);
}

void ProcessState::Kept::restore_processor(std::vector<Change>& changes) const {
  [[maybe_unused]] const unsigned now = control_word();  // the next line changes it
  if (const int present = std::fegetround(); present != rounding)
    changes.push_back({"the processor's rounding", rounding_name(rounding), rounding_name(present),
                       std::fesetround(rounding) == 0});
#if defined(__SSE__)
  else if (rounding_of(now) != rounding_of(control))
    changes.push_back({"the processor's rounding", rounding_name(rounding_of(control)),
                       rounding_name(rounding_of(now)), true});
  if (denormals_name(now) != denormals_name(control))
    changes.push_back(
        {"the processor's treatment of denormals", denormals_name(control), denormals_name(now), true});
  if (traps_name(now) != traps_name(control))
    changes.push_back(
        {"the floating-point exceptions that are signals", traps_name(control), traps_name(now), true});
  if (control_word() != control) _mm_setcsr(control);
#endif
#if defined(__GLIBC__)
  if (traps_name(control) == "none" && ::fegetexcept() != 0) ::fedisableexcept(FE_ALL_EXCEPT);
#endif
}

void ProcessState::Kept::restore_folder(std::vector<Change>& changes) const {
  struct stat now {};
  if (folder < 0 || (::stat(".", &now) == 0 && is_same(now, folder_status))) return;
  const std::string became = folder_name();
  changes.push_back({"the working folder", folder_path, became, ::fchdir(folder) == 0});
}

void ProcessState::Kept::restore_locale(std::vector<Change>& changes) const {
  if (const std::string now = std::locale().name(); now != cpp_locale) {
    std::locale::global(locale);  // sets C's, too, where it has a name
    changes.push_back({"the locale of C++", cpp_locale, now, true});
  }
  if (const std::string now = std::setlocale(LC_ALL, nullptr); now != c_locale)
    changes.push_back({"the locale", c_locale, now, std::setlocale(LC_ALL, c_locale.c_str()) != nullptr});
  if (::uselocale(locale_t{}) != of_thread) {
    ::uselocale(of_thread);
    changes.push_back({"the thread's locale", "the process's", "another", true});
  }
}

void ProcessState::Kept::restore_environment(std::vector<Change>& changes) const {
  const auto now = variables();
  for (const auto& [name, value] : now) {
    const auto before = environment.find(name);
    if (before == environment.end())
      changes.push_back({"the variable " + name + " of the environment", "not set", "'" + value + "'",
                         ::unsetenv(name.c_str()) == 0});
    else if (before->second != value)
      changes.push_back({"the variable " + name + " of the environment", "'" + before->second + "'",
                         "'" + value + "'", ::setenv(name.c_str(), before->second.c_str(), 1) == 0});
  }
  for (const auto& [name, value] : environment)
    if (!now.contains(name))
      changes.push_back({"the variable " + name + " of the environment", "'" + value + "'", "not set",
                         ::setenv(name.c_str(), value.c_str(), 1) == 0});
}

void ProcessState::Kept::restore_signals(std::vector<Change>& changes) const {
  for (int signal = 1; signal < kSignals; ++signal) {
    const SignalAction& kept = signals[static_cast<std::size_t>(signal)];
    struct sigaction now {};
    if (!kept.known || ::sigaction(signal, nullptr, &now) != 0 || is_same(now, kept.action)) continue;
    const char* short_name = ::sigabbrev_np(signal);
    changes.push_back(
        {"what signal " + (short_name ? "SIG" + std::string(short_name) : std::to_string(signal)) + " does",
         handler_name(kept.action), handler_name(now), ::sigaction(signal, &kept.action, nullptr) == 0});
  }
  sigset_t now{};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
  for (int signal = 1; signal < kSignals; ++signal) {
    if (::sigismember(&now, signal) == ::sigismember(&mask, signal)) continue;
    changes.push_back({"the signals that are blocked", "others",
                       "with or without signal " + std::to_string(signal),
                       ::pthread_sigmask(SIG_SETMASK, &mask, nullptr) == 0});
    break;
  }
  for (std::size_t i = 0; i < kTimers.size(); ++i) {
    itimerval present{};
    ::getitimer(kTimers[i], &present);
    const auto is_set = [](const itimerval& timer) {
      return timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0;
    };
    if (is_set(present) == is_set(timers[i])) continue;
    changes.push_back({"a timer (alarm, setitimer)", is_set(timers[i]) ? "set" : "not set",
                       is_set(present) ? "set" : "not set",
                       ::setitimer(kTimers[i], &timers[i], nullptr) == 0});
  }
  if (restore_ending_guard())
    changes.push_back({"what std::terminate does", "the program's", "another function", true});
  if (std::get_new_handler() != out_of_memory) {
    std::set_new_handler(out_of_memory);
    changes.push_back({"what is done when memory is used up", "an error", "another function", true});
  }
}

void ProcessState::Kept::restore_files(std::vector<Change>& changes) const {
  for (int file = 0; file < kStandardFiles; ++file) {
    const StandardFile& kept = files[static_cast<std::size_t>(file)];
    struct stat now {};
    const bool is_open = ::fstat(file, &now) == 0;
    if (is_open != kept.is_open || (is_open && !is_same(now, kept.status))) {
      const bool done = kept.is_open ? kept.copy >= 0 && ::dup2(kept.copy, file) == file : ::close(file) == 0;
      changes.push_back(
          {name_of_file(file), kept.is_open ? "open" : "closed", is_open ? "another file" : "closed", done});
    } else if (is_open && ::fcntl(file, F_GETFL) != kept.flags) {
      changes.push_back(
          {std::string("the flags of ") + name_of_file(file), octal(static_cast<unsigned>(kept.flags)),
           octal(static_cast<unsigned>(::fcntl(file, F_GETFL))), ::fcntl(file, F_SETFL, kept.flags) == 0});
    }
  }
  if (const unsigned now = umask_now(); now != umask) {
    ::umask(static_cast<mode_t>(umask));
    changes.push_back({"the umask", octal(umask), octal(now), true});
  }
}

void ProcessState::Kept::restore_limits(std::vector<Change>& changes) const {
  for (std::size_t i = 0; i < kLimits.size(); ++i) {
    rlimit now{};
    if (::getrlimit(kLimits[i], &now) != 0 || now.rlim_cur == limits[i].rlim_cur) continue;
    rlimit wanted = limits[i];
    wanted.rlim_max = now.rlim_max;  // a lowered one stays low
    changes.push_back({std::string("the limit on ") + kLimitNames[i], limit_text(limits[i].rlim_cur),
                       limit_text(now.rlim_cur), ::setrlimit(kLimits[i], &wanted) == 0});
  }
}

ProcessState::ProcessState(std::unique_ptr<Kept> kept) : kept_(std::move(kept)) {}
ProcessState::ProcessState(ProcessState&&) noexcept = default;
ProcessState& ProcessState::operator=(ProcessState&&) noexcept = default;
ProcessState::~ProcessState() = default;

ProcessState ProcessState::now() { return ProcessState(std::make_unique<Kept>()); }

std::vector<Change> ProcessState::restore() const {
  std::vector<Change> changes;
  kept_->restore_processor(changes);
  kept_->restore_folder(changes);
  kept_->restore_locale(changes);
  kept_->restore_environment(changes);
  kept_->restore_signals(changes);
  kept_->restore_files(changes);
  kept_->restore_limits(changes);
  return changes;
}

int thread_count() {
  std::error_code error;
  int count = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/task", error), end; !error && entry != end;
       entry.increment(error))
    ++count;
  return count;
}

}  // namespace variform::base
