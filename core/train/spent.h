#pragma once
// Where the time of a training goes, for those who ask (-v).

#include <chrono>
#include <string>

#include <fmt/format.h>

namespace variform::train {

/// Seconds in which the computing thread was at work on each part.
struct Spent {
  double batches = 0, steps = 0, evaluations = 0, checkpoints = 0;

  std::string text() const {
    return fmt::format(
        "batches {:.3g} s, steps {:.3g} s, evaluations {:.3g} s, waiting for checkpoints {:.3g} s", batches,
        steps, evaluations, checkpoints);
  }
};

/// Adds the time in which it lives to a number of seconds.
class Timed {
 public:
  explicit Timed(double& seconds) : seconds_(seconds) {}
  ~Timed() { seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  double& seconds_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace variform::train
