#pragma once
// Child processes: the one place of the program that forks, executes and waits. Other files say what a child does and
// what becomes of its output. An end is waited for, never polled.

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/descriptor.h"

namespace variform::base {

/// How a child begins.
struct Birth {
  int in = -1, out = -1, error = -1;  ///< descriptors that become its standard streams; -1: /dev/null
  std::filesystem::path folder = {};  ///< its working folder; empty: that of this process
  bool leads_group = false;           ///< it has a process group of its own, all of which kill() reaches
  int signal_of_orphans = SIGKILL;    ///< sent to it when the thread that has started it ends
};

/// A child process. The destructor kills it unless its status has been asked for.
class Child {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Runs a program: arguments[0], a path or a name that is looked for on the PATH. The signals that the program
  /// handles have their defaults there; ignored ones stay ignored, and none is blocked. Throws std::system_error when it
  /// cannot be started. May be called from several threads.
  static Child of_program(const std::vector<std::string>& arguments, const Birth& birth);
  /// Calls a function, which must not throw, in a copy of this process; what it returns is the exit status. No
  /// destructors run at its end. Throws std::system_error when the process cannot be made.
  static Child of_function(const std::function<int()>& function, const Birth& birth);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  pid_t id() const { return id_; }
  /// Waits for its end, at most until that time; returns whether it has ended.
  bool ends_by(Time time);
  /// Sends a signal to it alone; nothing once its status has been asked for.
  void send(int signal) const;
  /// Kills it, or its whole group if it leads one: what it has started, too, even when it has ended itself.
  void kill() const;
  /// Waits for its end and returns its status, as waitpid() gives it.
  int status();

 private:
  Child(pid_t id, bool leads_group);

  pid_t id_ = -1;  ///< -1: moved from, or its status has been asked for
  bool leads_group_ = false;
  int status_ = 0;
  Descriptor end_;  ///< readable once it has ended; none on kernels before 5.3
};

/// Returns the exit status; 128 + n after signal n.
int code_of(int status);

}  // namespace variform::base
