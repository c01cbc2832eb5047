#pragma once
// What belongs to a whole process and is not a plugin's to change: how its processor rounds, where it stands, what its
// signals do, its files 0 to 2, limits, timers.

#include <memory>
#include <string>
#include <vector>

namespace variform::base {

/// One thing that has become another.
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

  /// What is different at present, after putting it back as far as that is possible. In the thread of now().
  std::vector<Change> restore() const;

 private:
  struct Kept;
  explicit ProcessState(std::unique_ptr<Kept> kept);
  std::unique_ptr<Kept> kept_;
};

/// How many threads this process has.
int thread_count();

}  // namespace variform::base
