#pragma once
// Runs functions in child processes, so that what they do to a process (crash, hang, print, change its settings) can be
// observed without harm. The caller should have loaded its libraries and started no thread: a child is then as fresh as
// a new process, at a hundredth of the cost.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace variform::base {

/// How a child ended.
struct Ended {
  bool answered = false;  ///< it ran to its end; `answer` is what the function returned
  bool timed_out =
      false;  ///< it was killed at its deadline, or at a limit of CPU time that it had set itself (RLIMIT_CPU)
  std::string answer;
  std::string ending;  ///< without an answer: "was killed by signal 11 (Segmentation fault)"
  std::string output;  ///< what it wrote to stdout and stderr, at most the last 1000 bytes
};

/// Calls each function in a child of its own, at most `jobs` at once; results in their order. A child's standard
/// output and error go to one anonymous file (see printed_bytes). Functions must not throw.
/// Throws std::system_error if no child can be made.
std::vector<Ended> run_in_processes(const std::vector<std::function<std::string()>>& functions, int jobs,
                                    std::chrono::milliseconds limit);

/// Returns the CPU time that the ended children of this process have used.
double seconds_of_children();

/// Returns, in a child, how many bytes it has printed so far.
long printed_bytes();

}  // namespace variform::base
