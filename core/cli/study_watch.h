#pragma once
// What is seen of a study at work, and when its process is to end.

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "cli/progress.h"

namespace variform::cli {

/// Shows how many cells are left. Called by several threads.
class CellProgress {
 public:
  explicit CellProgress(const Common& common) : progress_(common) {}

  void ended(std::int64_t ended, std::int64_t worked, std::int64_t all);
  void clear();
  void tick();

 private:
  std::mutex mutex_;
  Progress progress_;
  std::int64_t ended_ = 0, worked_ = 0, all_ = 0;
};

/// When a process is to end, by a signal or by --time.
class Ending {
 public:
  /// `time` is the text of --time; empty: there is none. Throws config::Error where it is no time.
  explicit Ending(const std::string& time);

  bool has_come() const;
  /// Whether it is the time that is over: SIGUSR1 is what batch systems are asked to send before that.
  bool is_by_time() const;

 private:
  std::optional<std::chrono::steady_clock::time_point> end_;
};

}  // namespace variform::cli
