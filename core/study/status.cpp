// See status.h.

#include "study/status.h"

#include <algorithm>
#include <filesystem>
#include <map>

namespace variform::study {
namespace {

using Stage = CellStatus::Stage;

CellStatus status_of(CellRuns& runs, std::size_t cell, const std::map<std::string, base::Claim>& claims,
                     const CellRunsOptions& options) {
  CellStatus status{Stage::kWaiting, {}, {}, {}};
  const auto resolved = runs.resolved(cell);
  if (!resolved) return status;
  const std::filesystem::path run = runs.run_of(*resolved);
  status.run = run.filename().string();
  status.record = runs.record_of(cell, *resolved);
  if (const auto claim = claims.find(resolved->key()); claim != claims.end()) status.claim = claim->second;
  if (status.claim && !status.claim->is_dead) status.stage = Stage::kAtWork;
  else if (!runs.changed(run).empty()) status.stage = Stage::kOtherPlugins;
  else if (runs.is_done_by(status.record) || runs.done(cell, run)) status.stage = Stage::kDone;
  else if (status.claim) status.stage = Stage::kSilent;
  else if (status.record && !status.record->why_failed.empty()) status.stage = Stage::kFailed;
  else status.stage = std::filesystem::exists(options.runs / status.run) ? Stage::kBegun : Stage::kToDo;
  return status;
}

// Estimates by the mean of the cells that are done, and by how many processes are at work now.
void estimate(StudyStatus& status) {
  double all = 0, left = 0;
  std::size_t done = 0;
  for (const CellStatus& cell : status.cells)
    if (cell.stage == Stage::kDone && cell.record && cell.record->seconds > 0) {
      all += cell.record->seconds;
      ++done;
    }
  if (done == 0) return;
  status.seconds_per_cell = all / static_cast<double>(done);
  for (const CellStatus& cell : status.cells) {
    if (cell.stage == Stage::kDone || cell.stage == Stage::kFailed) continue;
    const double spent = cell.stage == Stage::kAtWork ? cell.claim->seconds : 0;
    left += std::max(0.0, status.seconds_per_cell - spent);
  }
  if (const std::size_t at_work = status.count(Stage::kAtWork))
    status.seconds_left = left / static_cast<double>(at_work);
}

}  // namespace

std::size_t StudyStatus::count(CellStatus::Stage stage) const {
  return static_cast<std::size_t>(
      std::count_if(cells.begin(), cells.end(), [&](const CellStatus& cell) { return cell.stage == stage; }));
}

StudyStatus status_of(CellRuns& runs, std::size_t cells, const CellRunsOptions& options) {
  std::map<std::string, base::Claim> claims;
  for (base::Claim& claim : base::Claims::in(claims_of(options.runs))) claims[claim.key] = std::move(claim);
  StudyStatus status;
  for (std::size_t i = 0; i < cells; ++i) status.cells.push_back(status_of(runs, i, claims, options));
  estimate(status);
  return status;
}

const char* text_of(CellStatus::Stage stage) {
  constexpr const char* kTexts[] = {"waits for others", "to do",  "begun", "at work",
                                    "silent",           "failed", "done",  "of other plugins"};
  return kTexts[static_cast<int>(stage)];
}

}  // namespace variform::study
