#pragma once
// What a person sees on stderr of long work that is no training (that is console.h): a bar with an estimate on a
// terminal, a line a minute elsewhere.

#include <chrono>
#include <cstdint>
#include <string>

#include "base/watch.h"

namespace variform::cli {

class Progress {
 public:
  /// Prints nothing if `quiet`.
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of `total` units ("data") of the part `what` are done; the estimate is of this part. `made`: how many of
  /// them this process did, where others were done before it began; negative: all.
  void show(const std::string& what, const char* unit, std::int64_t done, std::int64_t total,
            std::int64_t made = -1);
  /// Takes the bar off the terminal, so that something else can be printed.
  void clear();

 private:
  const bool quiet_, terminal_;
  const std::chrono::duration<double> every_;  // between two lines, or two drawings of the bar
  bool shown_ = false;
  std::string part_;
  std::chrono::steady_clock::time_point part_started_, drawn_;
};

/// Shows what evaluations tell of their parts, and stops them after Ctrl-C. `progress` must outlive it.
base::Watch watch_with(Progress& progress);

}  // namespace variform::cli
