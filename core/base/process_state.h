#pragma once
// The state of a whole process, which a plugin must not change: rounding, working folder, what signals do, files 0 to
// 2, limits, timers.

#include <memory>
#include <string>
#include <vector>

namespace variform::base {

/// A setting that has changed.
struct Change {
  std::string what, was, became;
  bool restored = false;

  /// "the rounding of the processor (was to nearest, became upward; restored)".
  std::string text() const;
};

/// The state of this process and of the calling thread at one moment.
class ProcessState {
 public:
  static ProcessState now();
  ProcessState(ProcessState&&) noexcept;
  ProcessState& operator=(ProcessState&&) noexcept;
  ~ProcessState();

  /// Restores what has changed as far as that is possible, and returns it. To be called in the thread of now().
  std::vector<Change> restore() const;

 private:
  struct Kept;
  explicit ProcessState(std::unique_ptr<Kept> kept);
  std::unique_ptr<Kept> kept_;
};

/// The number of threads of this process.
int thread_count();

}  // namespace variform::base
