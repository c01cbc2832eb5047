#pragma once
// Where a study stands, for whoever asks, on any machine that sees its folders: from disk alone.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/claims.h"
#include "study/cell_record.h"
#include "study/cell_runs.h"

namespace variform::study {

struct CellStatus {
  enum class Stage { kWaiting, kToDo, kBegun, kAtWork, kSilent, kFailed, kDone, kOtherPlugins } stage;
  std::string run;                   ///< its folder's name; empty while it waits for others
  std::optional<base::Claim> claim;  ///< of the process that is at work on it, or was the last
  std::optional<CellRecord> record;  ///< how it ended
};

struct StudyStatus {
  std::vector<CellStatus> cells;
  double seconds_per_cell = 0;         ///< of those that are done; 0: not known
  std::optional<double> seconds_left;  ///< nothing: not known, or nobody is at work

  std::size_t count(CellStatus::Stage stage) const;
};

/// Returns the status of all cells. `options`: those of `runs`.
StudyStatus status_of(CellRuns& runs, std::size_t cells, const CellRunsOptions& options);

/// "waits for others", "to do", "begun", "at work", "silent", "failed", "done", "of other plugins".
const char* text_of(CellStatus::Stage stage);

}  // namespace variform::study
