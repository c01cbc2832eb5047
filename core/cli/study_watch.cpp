// See study_watch.h.

#include "cli/study_watch.h"

#include "cli/console.h"
#include "config/text.h"
#include "study/batch.h"

namespace variform::cli {

void CellProgress::ended(std::int64_t ended, std::int64_t worked, std::int64_t all) {
  const std::lock_guard lock(mutex_);
  ended_ = ended;
  worked_ = worked;
  all_ = all;
}

void CellProgress::clear() {
  const std::lock_guard lock(mutex_);
  progress_.clear();
}

void CellProgress::tick() {
  const std::lock_guard lock(mutex_);
  if (all_ > 0) progress_.show("study", "cells", ended_, all_, worked_);
}

Ending::Ending(const std::string& time) {
  if (time.empty()) return;
  const auto after = study::batch_time(time);
  if (!after)
    throw config::Error("--time is a time such as 90 (minutes), 1:30:00 or 2-12:00:00, found " +
                        config::quote(time) + ".");
  end_ = std::chrono::steady_clock::now() + *after;
}

bool Ending::has_come() const { return interrupted() || (end_ && std::chrono::steady_clock::now() >= *end_); }

bool Ending::is_by_time() const { return !interrupted() || interrupting_signal() == std::string("SIGUSR1"); }

}  // namespace variform::cli
