// What `study` shows of where it stands: --list, --status.

#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "base/table.h"
#include "base/words.h"
#include "cli/study_options.h"
#include "config/text.h"
#include "study/status.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

nlohmann::json labels_json(const study::Cell& cell) {
  nlohmann::json labels = nlohmann::json::object();
  for (const auto& [axis, label] : cell.labels) labels[axis] = label;
  return labels;
}

const char* text_of(study::State::Stage stage) {
  constexpr const char* kStates[] = {"waits for others", "to do", "begun", "done", "of other plugins"};
  return kStates[static_cast<int>(stage)];
}

// What a cell reads and makes, for programs that run workflows. Results of a run are named once the run has its name.
nlohmann::json files_of(const study::StudyFile& study, study::CellRuns& runs,
                        const study::RunnerOptions& options, std::size_t cell, const study::State& state) {
  nlohmann::json inputs = nlohmann::json::array(),
                 outputs = nlohmann::json::array({study::record_file(options.folder, cell).string()});
  for (const std::size_t need : study.cells[cell].needs)
    inputs.push_back(study::record_file(options.folder, need).string());
  if (!state.run.empty()) {
    outputs.push_back((state.run / "DONE").string());
    outputs.push_back((state.run / "checkpoints" / "last.h5").string());
    for (const study::Step& step : runs.steps_of(cell))
      outputs.push_back(runs.file_of(state.run, step).string());
  }
  return {{"inputs", inputs}, {"outputs", outputs}};
}

nlohmann::json list_json(const study::StudyFile& study, study::CellRuns& runs,
                         const study::RunnerOptions& options, const std::vector<study::State>& states) {
  nlohmann::json all = nlohmann::json::array();
  for (std::size_t i = 0; i < study.cells.size(); ++i) {
    nlohmann::json cell = files_of(study, runs, options, i, states[i]);
    cell["cell"] = i + 1;
    cell["stage"] = study.plan.stages[study.cells[i].stage].name;
    cell["labels"] = labels_json(study.cells[i]);
    cell["state"] = text_of(states[i].stage);
    cell["run"] = states[i].run.empty() ? nlohmann::json(nullptr) : nlohmann::json(states[i].run.string());
    cell["needs"] = nlohmann::json::array();
    for (const std::size_t need : study.cells[i].needs) cell["needs"].push_back(need + 1);
    all.push_back(std::move(cell));
  }
  return all;
}

nlohmann::json claim_json(const base::Claim& claim) {
  return {{"host", claim.holder.host}, {"process", claim.holder.process}, {"job", claim.job},
          {"seconds", claim.seconds},  {"silent", claim.silent},          {"taken", claim.taken}};
}

nlohmann::json status_json(const study::StudyFile& study, const study::StudyStatus& status) {
  nlohmann::json cells = nlohmann::json::array(), counts = nlohmann::json::object();
  for (std::size_t i = 0; i < status.cells.size(); ++i) {
    const study::CellStatus& one = status.cells[i];
    nlohmann::json cell = {{"cell", i + 1},
                           {"stage", study.plan.stages[study.cells[i].stage].name},
                           {"labels", labels_json(study.cells[i])},
                           {"state", study::text_of(one.stage)},
                           {"run", one.run}};
    if (one.claim) cell["claim"] = claim_json(*one.claim);
    if (one.record)
      cell["ended"] = {{"host", one.record->host},
                       {"job", one.record->job},
                       {"seconds", one.record->seconds},
                       {"failed", one.record->why_failed}};
    counts[study::text_of(one.stage)] = counts.value(study::text_of(one.stage), 0) + 1;
    cells.push_back(std::move(cell));
  }
  return {
      {"name", study.plan.name},
      {"counts", counts},
      {"seconds_per_cell", status.seconds_per_cell},
      {"seconds_left", status.seconds_left ? nlohmann::json(*status.seconds_left) : nlohmann::json(nullptr)},
      {"cells", cells}};
}

std::string place_of(const std::string& host, const std::string& job) {
  return job.empty() ? host : host + " (" + job + ")";
}

using Stage = study::CellStatus::Stage;

base::Table table_at_work(const study::StudyFile& study, const study::StudyStatus& status) {
  base::Table table(
      {{"cell", base::Align::kRight}, {"what"}, {"state"}, {"process"}, {"on"}, {"for"}, {"last sign"}});
  for (std::size_t i = 0; i < status.cells.size(); ++i) {
    const study::CellStatus& cell = status.cells[i];
    if (cell.stage != Stage::kAtWork && cell.stage != Stage::kSilent) continue;
    table.add({std::to_string(i + 1), study::text_of(study.cells[i]), study::text_of(cell.stage),
               std::to_string(cell.claim->holder.process), place_of(cell.claim->holder.host, cell.claim->job),
               base::duration_text(cell.claim->seconds), base::duration_text(cell.claim->silent) + " ago"});
  }
  return table;
}

base::Table table_of_failed(const study::StudyFile& study, const study::StudyStatus& status,
                            const study::RunnerOptions& options) {
  base::Table table({{"cell", base::Align::kRight}, {"what"}, {"on"}, {"failed"}, {"log"}});
  for (std::size_t i = 0; i < status.cells.size(); ++i) {
    const study::CellStatus& cell = status.cells[i];
    if (cell.stage != Stage::kFailed) continue;
    std::string why = cell.record->why_failed;
    while (why.ends_with('\n')) why.pop_back();
    const std::size_t last = why.rfind('\n');  // the end of the command's output says most
    table.add({std::to_string(i + 1), study::text_of(study.cells[i]),
               place_of(cell.record->host, cell.record->job),
               last == std::string::npos ? why : why.substr(last + 1),
               (options.folder / "logs" / (study::cell_number(i) + ".txt"))
                   .lexically_proximate(fs::current_path())
                   .string()});
  }
  return table;
}

// "grid: 8 cells: 3 done, 2 at work, 3 to do".
std::string summary_of(const study::StudyFile& study, const study::StudyStatus& status) {
  std::vector<std::string> parts;
  for (const Stage stage : {Stage::kDone, Stage::kAtWork, Stage::kFailed, Stage::kSilent, Stage::kBegun,
                            Stage::kToDo, Stage::kWaiting, Stage::kOtherPlugins})
    if (const std::size_t count = status.count(stage))
      parts.push_back(fmt::format("{} {}", count, study::text_of(stage)));
  std::string text =
      fmt::format("{}: {} cells: {}\n", study.plan.name, status.cells.size(), config::join(parts));
  const std::size_t at_work = status.count(Stage::kAtWork),
                    open = status.cells.size() - status.count(Stage::kDone) - status.count(Stage::kFailed);
  if (status.seconds_left)
    text += fmt::format("about {} left, at {} at work and {} per cell\n",
                        base::duration_text(*status.seconds_left), at_work,
                        base::duration_text(status.seconds_per_cell));
  else if (open > 0 && at_work == 0) text += "nobody is at work on it\n";
  return text;
}

}  // namespace

int list_cells(const Common& common, const study::StudyFile& study, const study::RunnerOptions& options) {
  study::CellRuns runs(study.plan, study.cells, options);
  const std::vector<study::State> states = runs.states();
  if (common.json) {
    write_result(json_text(list_json(study, runs, options, states)));
    return kDone;
  }
  base::Table table({{"cell", base::Align::kRight}, {"stage"}, {"what"}, {"state"}, {"run"}});
  for (std::size_t i = 0; i < study.cells.size(); ++i)
    table.add({std::to_string(i + 1), study.plan.stages[study.cells[i].stage].name,
               study::text_of(study.cells[i]), text_of(states[i].stage), states[i].run.filename().string()});
  write_result(table.text(output_width()));
  return kDone;
}

int show_status(const Common& common, const study::StudyFile& study, const study::RunnerOptions& options) {
  study::CellRuns runs(study.plan, study.cells, options);
  const study::StudyStatus status = study::status_of(runs, study.cells.size(), options);
  if (common.json) {
    write_result(json_text(status_json(study, status)));
    return kDone;
  }
  std::string text = summary_of(study, status);
  for (const base::Table& table : {table_at_work(study, status), table_of_failed(study, status, options)})
    if (!table.empty()) text += "\n" + table.text(output_width());
  write_result(text);
  return kDone;
}

}  // namespace variform::cli
