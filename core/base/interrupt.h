#pragma once
// Whether the program has been asked to end: set by its signal handler, looked at by long work.

#include <atomic>
#include <csignal>
#include <stdexcept>
#include <string>

namespace variform::base {

/// Thrown by work that ends because of a signal. The message says what was being done.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The signals that ask a process to end, or that a queue or a limit sends before it ends one.
inline constexpr int kEndingSignals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGUSR1, SIGUSR2,
                                         SIGQUIT, SIGXCPU, SIGPIPE, SIGXFSZ};

/// The one flag of the process. 0: no request. Atomic, since the handler may run in any thread.
std::atomic<int>& interrupt_flag();

/// A descriptor that becomes readable with request_interrupt(), for poll() beside others. The first call makes it.
int interrupt_event();

/// Sets the flag and wakes who waits for the event. Async-signal-safe once interrupt_event() has been called.
void request_interrupt() noexcept;

/// Throws Interrupted when the flag is set. Cheap enough to call for every piece of a file.
inline void stop_if_interrupted(const char* doing = "reading") {
  if (interrupt_flag() != 0) throw Interrupted(std::string("interrupted while ") + doing);
}

}  // namespace variform::base
