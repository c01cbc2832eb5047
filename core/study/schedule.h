#pragma once
// Which cell of a study comes next, for the threads of one process: what is on disk, and what other processes do, is
// found out by the caller.

#include <cstddef>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "study/plan.h"

namespace variform::study {

enum class Mark {
  kOpen,
  kTaken,      ///< a thread of this process is at work on it
  kElsewhere,  ///< another process has claimed it
  kBusy,       ///< its run is used by a process that has no claim
  kDone,
  kFailed,
};

/// May be used by several threads.
class Schedule {
 public:
  /// `only`: this cell alone, whatever it builds on. `anywhere`: next() begins to look at a random cell, not at the first,
  /// and so soon finds one that is open, where most are done or taken.
  Schedule(const std::vector<Cell>& cells, std::optional<std::size_t> only, bool anywhere = false);

  /// Returns the next open cell whose needs are done, marked kTaken; nothing if there is none now.
  std::optional<std::size_t> next();
  /// Marks a cell. After one that is found elsewhere, next() begins at a random cell: processes that begin at once would
  /// meet at each cell otherwise.
  void set(std::size_t cell, Mark mark);
  /// Opens cells again that are busy, and those elsewhere whose claim is no longer among the ones that are held. `keys`:
  /// of the cells, empty where it is not known.
  void open_again(const std::vector<std::string>& keys, const std::set<std::string>& held);
  /// Whether nothing will be left for this process to do, whatever others do; if it `waits`, also for their cells.
  bool is_over(bool waits) const;

  bool is(std::size_t cell, Mark mark) const;
  std::size_t count(Mark mark) const;
  /// Returns open cells that will never be begun, since a cell that they build on has failed.
  std::vector<std::size_t> stuck() const;

 private:
  bool is_mine(std::size_t cell) const { return !only_ || *only_ == cell; }
  std::vector<bool> which_are_stuck() const;

  const std::vector<Cell>& cells_;
  const std::optional<std::size_t> only_;
  std::vector<Mark> marks_;
  std::size_t begin_ = 0;
  std::mt19937_64 random_;
  mutable std::mutex mutex_;
};

}  // namespace variform::study
