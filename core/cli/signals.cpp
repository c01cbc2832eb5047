// Handles signals that ask a process to end. A command at work sees interrupted() and ends in order; one that has
// nothing to keep is ended here, and its temporary files are removed.

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include "base/interrupt.h"
#include "base/last_words.h"
#include "base/live_temporaries.h"
#include "base/signal_text.h"
#include "cli/commands.h"
#include "study/process.h"

namespace variform::cli {
namespace {

// Atomic, since a handler may run in any thread, and the threads of a study ask.
std::atomic<int> is_at_work = 0, first_signal = 0, times_ctrl_c = 0;
static_assert(std::atomic<int>::is_always_lock_free);

constexpr int kTimesToForce = 3;  // presses of Ctrl-C

// Returns a signal's name. Handlers must not call strsignal() or printf().
const char* name_of(int signal) {
  switch (signal) {
    case SIGINT: return "SIGINT";
    case SIGTERM: return "SIGTERM";
    case SIGHUP: return "SIGHUP";
    case SIGUSR1: return "SIGUSR1";
    case SIGUSR2: return "SIGUSR2";
    case SIGQUIT: return "SIGQUIT";
    case SIGXCPU: return "SIGXCPU";
    case SIGPIPE: return "SIGPIPE";
    case SIGXFSZ: return "SIGXFSZ";
    default: return "a signal";
  }
}

void say(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) errno = 0;
}

// Says that the process ends once the present call returns, and which call that is: an endless loop never returns.
void tell_ending(int signal) {
  const base::SignalText place = base::whereabouts();
  base::SignalText text;
  text << "\ninterrupted by " << name_of(signal) << ": ending in order";
  if (!place.empty()) text << ", as soon as this has returned: " << place;
  text << "; to end at once, without that: Ctrl-C three times, or kill -KILL " << ::getpid() << "\n";
  text.write_to(STDERR_FILENO);
}

[[noreturn]] void end_at_once(int signal, bool is_quiet) {
  if (!is_quiet) {
    say("\ninterrupted by ");
    say(name_of(signal));
    say("\n");
  }
  study::kill_commands();
  base::remove_live_temporaries();
  base::end_in_order(kInterrupted);
}

void on_signal(int signal, siginfo_t* info, void*) {
  const int error = errno;
  // After a write beyond a limit of file sizes (ulimit -f) the system sends SIGXFSZ to the writer itself. Then write()
  // fails, too, and that error is reported. From anybody else it is a request to end.
  if (signal == SIGXFSZ && (info->si_code != SI_USER || info->si_pid == ::getpid())) return;
  const bool is_unheard = signal == SIGPIPE || signal == SIGHUP;  // the terminal or the reader is gone
  if (signal == SIGINT) ++times_ctrl_c;
  if (!is_at_work || times_ctrl_c >= kTimesToForce) end_at_once(signal, is_unheard);
  if (!first_signal && !is_unheard) tell_ending(signal);
  if (!first_signal) first_signal = signal;
  base::request_interrupt();  // ends reading and the like, too
  errno = error;
}

// Whether a signal is ignored, as nohup and the like have set it; it must stay so.
bool is_ignored(int signal) {
  struct sigaction present {};
  return ::sigaction(signal, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
}

}  // namespace

void install_signal_handlers() {
  base::interrupt_event();  // made before a handler writes to it
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_RESTART | SA_SIGINFO;  // system calls such as write() are restarted
  for (const int signal : base::kEndingSignals) ::sigaddset(&action.sa_mask, signal);  // one after the other
  sigset_t all = action.sa_mask;
  for (const int signal : base::kEndingSignals)
    if (signal == SIGINT || signal == SIGTERM || signal == SIGXFSZ || !is_ignored(signal))
      ::sigaction(signal, &action, nullptr);
  ::sigprocmask(SIG_UNBLOCK, &all, nullptr);  // the program's parent may have blocked some
}

void watch_signals() { is_at_work = 1; }

bool interrupted() { return first_signal != 0; }

const char* interrupting_signal() { return name_of(first_signal); }

}  // namespace variform::cli
