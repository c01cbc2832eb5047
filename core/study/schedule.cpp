// See schedule.h.

#include "study/schedule.h"

#include <algorithm>

namespace variform::study {

Schedule::Schedule(const std::vector<Cell>& cells, std::optional<std::size_t> only, bool anywhere)
    : cells_(cells), only_(only), marks_(cells.size(), Mark::kOpen), random_(std::random_device{}()) {
  if (anywhere && !cells.empty()) begin_ = random_() % cells.size();
}

std::optional<std::size_t> Schedule::next() {
  const std::lock_guard lock(mutex_);
  for (std::size_t n = 0; n < cells_.size(); ++n) {
    const std::size_t cell = (begin_ + n) % cells_.size();
    if (marks_[cell] != Mark::kOpen || !is_mine(cell)) continue;
    const auto is_ready = [&](std::size_t need) { return only_ || marks_[need] == Mark::kDone; };
    if (!std::all_of(cells_[cell].needs.begin(), cells_[cell].needs.end(), is_ready)) continue;
    marks_[cell] = Mark::kTaken;
    return cell;
  }
  return {};
}

void Schedule::set(std::size_t cell, Mark mark) {
  const std::lock_guard lock(mutex_);
  marks_[cell] = mark;
  if (mark == Mark::kElsewhere) begin_ = random_() % cells_.size();
}

void Schedule::open_again(const std::vector<std::string>& keys, const std::set<std::string>& held) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < cells_.size(); ++i)
    if (marks_[i] == Mark::kBusy || (marks_[i] == Mark::kElsewhere && !held.contains(keys[i])))
      marks_[i] = Mark::kOpen;
}

// Needs are cells of earlier stages, which come before.
std::vector<bool> Schedule::which_are_stuck() const {
  std::vector<bool> stuck(cells_.size());
  for (std::size_t i = 0; i < cells_.size(); ++i)
    stuck[i] = !only_ && marks_[i] == Mark::kOpen &&
               std::any_of(cells_[i].needs.begin(), cells_[i].needs.end(),
                           [&](std::size_t need) { return stuck[need] || marks_[need] == Mark::kFailed; });
  return stuck;
}

bool Schedule::is_over(bool waits) const {
  const std::lock_guard lock(mutex_);
  const std::vector<bool> stuck = which_are_stuck();
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (!is_mine(i) || marks_[i] == Mark::kDone || marks_[i] == Mark::kFailed || stuck[i]) continue;
    if (marks_[i] != Mark::kElsewhere || waits) return false;
  }
  return true;
}

bool Schedule::is(std::size_t cell, Mark mark) const {
  const std::lock_guard lock(mutex_);
  return marks_[cell] == mark;
}

std::size_t Schedule::count(Mark mark) const {
  const std::lock_guard lock(mutex_);
  std::size_t n = 0;
  for (std::size_t i = 0; i < cells_.size(); ++i) n += is_mine(i) && marks_[i] == mark;
  return n;
}

std::vector<std::size_t> Schedule::stuck() const {
  const std::lock_guard lock(mutex_);
  const std::vector<bool> stuck = which_are_stuck();
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < cells_.size(); ++i)
    if (stuck[i] && is_mine(i)) found.push_back(i);
  return found;
}

}  // namespace variform::study
