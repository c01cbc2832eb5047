// See past_runs.h.

#include "model/past_runs.h"

#include <algorithm>
#include <system_error>

#include "config/run_metrics.h"

namespace variform::model {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

PastRun read_run(const fs::path& path) {
  PastRun run{path, run_status(path), 0, nullptr, {}};
  if (!run.status.problem.empty()) run.problems.push_back(run.status.problem);
  const base::SealedLines metrics = config::metrics_of(path);
  if (std::string problem = metrics.sentence(path / "metrics.jsonl"); !problem.empty())
    run.problems.push_back(std::move(problem));
  take_metrics(run, metrics.lines);
  return run;
}

}  // namespace

void take_metrics(PastRun& run, const std::vector<json>& lines) {
  for (const json& entry : lines) {
    run.step = std::max(run.step, entry.at("step").get<int64_t>());
    if (entry.at("split") != "train") run.last = entry;
  }
}

bool is_run_folder(const fs::path& path) {
  std::error_code none;  // an entry may be gone by now, or unreadable
  return fs::exists(path / "config.resolved.toml", none) ||
         fs::exists(path / "checkpoints" / "last.h5", none);
}

std::vector<PastRun> read_runs(const fs::path& folder) {
  std::vector<PastRun> runs;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    if (!entry.path().filename().string().starts_with('.') && is_run_folder(entry.path()))
      runs.push_back(read_run(entry.path()));
  std::sort(runs.begin(), runs.end(), [](const PastRun& a, const PastRun& b) { return a.path < b.path; });
  return runs;
}

}  // namespace variform::model
