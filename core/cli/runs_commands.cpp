// runs list, table and diff: what past runs there are, their results side by side, and how two configs differ.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/commands.h"
#include "config/load.h"
#include "report/table.h"

namespace variform::cli {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

struct Run {
  fs::path path;
  std::string status;  // "done", "failed", "unfinished"
  int64_t step = 0;
  json last;  // the last evaluation in metrics.jsonl; null: none yet
};

Run read_run(const fs::path& path) {
  Run run{path,
          fs::exists(path / "DONE")     ? "done"
          : fs::exists(path / "FAILED") ? "failed"
                                        : "unfinished",
          0, nullptr};
  std::ifstream file(path / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const json entry = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object()) continue;  // the last line of a run that was killed
    run.step = std::max(run.step, entry.value("step", int64_t{0}));
    if (entry.value("split", "") != "train") run.last = entry;
  }
  return run;
}

std::vector<Run> read_runs(const Common& common) {
  std::vector<Run> runs;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(common.runs, none))
    // Hidden: a folder on its way in or out, left by a process that was killed.
    if (!entry.path().filename().string().starts_with('.') &&
        fs::exists(entry.path() / "config.resolved.toml"))
      runs.push_back(read_run(entry.path()));
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.path < b.path; });
  return runs;
}

std::string number(const json& value) {
  if (!value.is_number()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", value.get<double>());
  return text;
}

std::string no_runs(const Common& common) {
  return "no runs in " + common.runs +
         "; `variform train configs/quickstart.toml` makes one, --runs names another folder.";
}

int list(const Common& common) {
  const std::vector<Run> runs = read_runs(common);
  if (common.json) {
    json result = json::array();
    for (const Run& run : runs)
      result.push_back(
          {{"run", run.path.string()}, {"status", run.status}, {"step", run.step}, {"evaluation", run.last}});
    write_result(result.dump(2));
    return kDone;
  }
  if (runs.empty()) {
    write_result(no_runs(common));
    return kDone;
  }
  report::Table table(
      {{"run"}, {"status"}, {"step", report::Align::kRight}, {"loss", report::Align::kRight}});
  for (const Run& run : runs)
    table.add({run.path.filename().string(), run.status, std::to_string(run.step),
               run.last.is_object() ? number(run.last.value("loss", json())) : "-"});
  write_result(table.text());
  return kDone;
}

// Every evaluated quantity of every run.
int table(const Common& common) {
  const std::vector<Run> runs = read_runs(common);
  if (runs.empty()) {
    write_result(no_runs(common));
    return kDone;
  }
  std::set<std::string> names;
  for (const Run& run : runs)
    if (run.last.is_object())
      for (const auto& [name, value] : run.last.items())
        if (value.is_number() && name != "step" && name != "epoch" && name != "loss") names.insert(name);
  std::vector<report::Table::Column> header{
      {"run"}, {"step", report::Align::kRight}, {"loss", report::Align::kRight}};
  for (const std::string& name : names) header.push_back({name, report::Align::kRight});
  report::Table rows(header);
  for (const Run& run : runs) {
    std::vector<std::string> row{run.path.filename().string(), std::to_string(run.step)};
    const json values = run.last.is_object() ? run.last : json::object();
    row.push_back(number(values.value("loss", json())));
    for (const std::string& name : names) row.push_back(number(values.value(name, json())));
    rows.add(row);
  }
  write_result(rows.text());
  return kDone;
}

void flatten(const config::Node& node, const std::string& path, std::map<std::string, std::string>& out) {
  if (!node.is_table()) {
    out[path] = config::print_value(node);
    return;
  }
  for (const auto& member : node.members())
    flatten(member.value, path.empty() ? member.key : path + "." + member.key, out);
}

int diff(const Common& common, const std::string& left, const std::string& right) {
  std::map<std::string, std::string> sides[2];
  const std::string names[2] = {left, right};
  for (int side = 0; side < 2; ++side) {
    config::Diagnostics diagnostics;
    flatten(
        config::parse_file((run_path(common, names[side]) / "config.resolved.toml").string(), diagnostics),
        "", sides[side]);
    diagnostics.throw_if_any();
  }
  std::set<std::string> keys;
  for (const auto& side : sides)
    for (const auto& [key, value] : side) keys.insert(key);
  report::Table rows({{"key"}, {left}, {right}});
  int differences = 0;
  for (const std::string& key : keys) {
    const auto at = [&](int side) {
      return sides[side].contains(key) ? sides[side].at(key) : std::string("-");
    };
    if (at(0) == at(1)) continue;
    rows.add({key, at(0), at(1)});
    ++differences;
  }
  write_result(differences == 0 ? "the two configs are the same" : rows.text());
  return kDone;
}

}  // namespace

void add_runs_commands(CLI::App& app, Common& common, Action& action) {
  CLI::App* runs = app.add_subcommand("runs", "Past runs");
  runs->require_subcommand(1);
  runs->add_subcommand("list", "All runs and how they ended")->callback([&] {
    action = [&common] { return list(common); };
  });
  runs->add_subcommand("table", "What was evaluated last, run by run")->callback([&] {
    action = [&common] { return table(common); };
  });
  auto names = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App* differ = runs->add_subcommand("diff", "How two runs' configs differ");
  differ->add_option("left", names->first, "A run")->required();
  differ->add_option("right", names->second, "Another run")->required();
  differ->callback([&common, &action, names] {
    action = [&common, names] { return diff(common, names->first, names->second); };
  });
}

}  // namespace variform::cli
