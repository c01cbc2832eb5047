#pragma once
// Shows the progress of long work other than training (console.h) on stderr: by a bar with an estimate on a terminal,
// by a line per minute elsewhere.

#include <chrono>
#include <cstdint>
#include <string>

#include "base/watch.h"
#include "cli/commands.h"

namespace variform::cli {

class Progress {
 public:
  /// Says nothing where the log does not want lines.
  explicit Progress(const Common& common);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows that `done` of `total` units ("data") of the part `what` are done; the estimate is for this part. `made`:
  /// how many of them this process did, if others were done before it began; negative: all.
  void show(const std::string& what, const char* unit, std::int64_t done, std::int64_t total,
            std::int64_t made = -1);
  /// Removes the bar from the terminal.
  void clear();

 private:
  base::Log& log_;
  const bool quiet_, terminal_;
  const std::chrono::duration<double> every_;  // between two lines, or two drawings of the bar
  bool shown_ = false;
  std::string part_;
  std::chrono::steady_clock::time_point part_started_, drawn_;
};

/// Returns a watch that shows the parts of evaluations, and stops them after Ctrl-C. `progress` must outlive it.
base::Watch watch_with(Progress& progress);

}  // namespace variform::cli
