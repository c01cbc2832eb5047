// runs list, table and diff: list past runs, show their results in one table, and compare two configs.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include <fmt/format.h>

#include "base/table.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "config/difference.h"
#include "config/load.h"
#include "model/past_runs.h"
#include "model/run_config.h"

namespace variform::cli {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

void warn_of(const Common& common, const std::vector<model::PastRun>& runs) {
  for (const model::PastRun& run : runs)
    for (const std::string& problem : run.problems) common.log.warning(problem);
}

std::string number(const json& value) {
  return value.is_number() ? fmt::format("{:.5g}", value.get<double>()) : "-";
}

std::string no_runs(const Common& common) {
  return "no runs in " + common.runs +
         "; `variform train configs/quickstart.toml` makes one, --runs names another folder.";
}

int list_runs(const Common& common) {
  const std::vector<model::PastRun> runs = model::read_runs(common.runs);
  if (common.json) {
    json result = json::array();
    for (const model::PastRun& run : runs)
      result.push_back({{"run", run.path.string()},
                        {"status", run.status.word},
                        {"reason", run.status.reason},
                        {"step", run.step},
                        {"evaluation", run.last},
                        {"problems", run.problems}});
    write_result(json_text(result));
    return kDone;
  }
  if (runs.empty()) {
    write_result(no_runs(common));
    return kDone;
  }
  warn_of(common, runs);
  const bool any_reason = std::any_of(runs.begin(), runs.end(),
                                      [](const model::PastRun& run) { return !run.status.reason.empty(); });
  std::vector<base::Table::Column> columns{
      {"run"}, {"status"}, {"step", base::Align::kRight}, {"loss", base::Align::kRight}};
  if (any_reason) columns.push_back({"why"});
  base::Table table(columns);
  for (const model::PastRun& run : runs) {
    std::vector<std::string> row{run.path.filename().string(), run.status.word, std::to_string(run.step),
                                 run.last.is_object() ? number(run.last.value("loss", json())) : "-"};
    if (any_reason) row.push_back(run.status.reason);
    table.add(row);
  }
  write_result(table.text(output_width()));
  return kDone;
}

// Shows every evaluated quantity of every run.
int table(const Common& common) {
  const std::vector<model::PastRun> runs = model::read_runs(common.runs);
  if (runs.empty()) {
    write_result(no_runs(common));
    return kDone;
  }
  warn_of(common, runs);
  std::set<std::string> names;
  for (const model::PastRun& run : runs)
    if (run.last.is_object())
      for (const auto& [name, value] : run.last.items())
        if (value.is_number() && name != "step" && name != "epoch" && name != "loss") names.insert(name);
  std::vector<base::Table::Column> header{
      {"run"}, {"step", base::Align::kRight}, {"loss", base::Align::kRight}};
  for (const std::string& name : names) header.push_back({name, base::Align::kRight});
  base::Table rows(header);
  for (const model::PastRun& run : runs) {
    std::vector<std::string> row{run.path.filename().string(), std::to_string(run.step)};
    const json values = run.last.is_object() ? run.last : json::object();
    row.push_back(number(values.value("loss", json())));
    for (const std::string& name : names) row.push_back(number(values.value(name, json())));
    rows.add(row);
  }
  write_result(rows.text(output_width()));
  return kDone;
}

// Warns of an edited config.resolved.toml, since that file is what is shown.
void warn_of_edits(const Common& common, const fs::path& run) {
  const fs::path last = run / "checkpoints" / "last.h5";
  if (!fs::is_regular_file(last)) return;
  const model::RunConfig kept = model::compare_config(run, checkpoint::read(last), "last");
  if (!kept.found.empty()) common.log.warning(kept.found + " The table shows the file.");
}

int diff(const Common& common, const std::string& left, const std::string& right) {
  config::Diagnostics diagnostics;
  std::vector<config::Node> configs;
  for (const std::string& name : {left, right})
    configs.push_back(
        config::parse_file((run_path(common, name) / "config.resolved.toml").string(), diagnostics));
  diagnostics.throw_if_any();
  for (const std::string& name : {left, right}) warn_of_edits(common, run_path(common, name));
  base::Table rows({{"key"}, {left}, {right}});
  for (const auto& [key, values] : config::differences(configs))
    rows.add({key, values[0].value_or("-"), values[1].value_or("-")});
  write_result(rows.empty() ? "the two configs are the same" : rows.text(output_width()));
  return kDone;
}

}  // namespace

void add_runs_commands(Command app, Common& common, Action& action) {
  Command runs = app.add_command("runs", "Past runs");
  runs.require_command();
  runs.add_command("list", "All runs and how they ended").on_chosen([&] {
    action = [&common] { return list_runs(common); };
  });
  runs.add_command("table", "What was evaluated last, run by run").on_chosen([&] {
    action = [&common] { return table(common); };
  });
  auto names = std::make_shared<std::pair<std::string, std::string>>();
  Command differ = runs.add_command("diff", "How two runs' configs differ");
  differ.add_option("left", names->first, "A run").required();
  differ.add_option("right", names->second, "Another run").required();
  differ.on_chosen([&common, &action, names] {
    action = [&common, names] { return diff(common, names->first, names->second); };
  });
  add_plot_command(runs, common, action);
  add_serve_command(runs, common, action);
}

}  // namespace variform::cli
