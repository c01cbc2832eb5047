// runs list, table, diff and plot: what past runs there are, their results side by side, how two configs differ, and
// figures of several runs.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/run_status.h"
#include "config/difference.h"
#include "config/load.h"
#include "config/run_metrics.h"
#include "draw/figure.h"
#include "study/run_data.h"
#include "base/table.h"
#include "model/run_config.h"

namespace variform::cli {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

struct Run {
  fs::path path;
  RunStatus status;
  int64_t step = 0;
  json last;                          // the last evaluation in metrics.jsonl; null: none yet
  std::vector<std::string> problems;  // what is not as it was written
};

Run read_run(const fs::path& path) {
  Run run{path, run_status(path), 0, nullptr, {}};
  if (!run.status.problem.empty()) run.problems.push_back(run.status.problem);
  const base::SealedLines metrics = config::metrics_of(path);
  if (std::string problem = metrics.sentence(path / "metrics.jsonl"); !problem.empty())
    run.problems.push_back(std::move(problem));
  for (const json& entry : metrics.lines) {
    run.step = std::max(run.step, entry.at("step").get<int64_t>());
    if (entry.at("split") != "train") run.last = entry;
  }
  return run;
}

void warn_of(const std::vector<Run>& runs) {
  for (const Run& run : runs)
    for (const std::string& problem : run.problems) write_message("warning: " + problem);
}

bool is_run_folder(const fs::path& path) {
  std::error_code none;  // an entry may be gone by now, or not be ours to read
  return fs::exists(path / "config.resolved.toml", none) ||
         fs::exists(path / "checkpoints" / "last.h5", none);
}

std::vector<Run> read_runs(const Common& common) {
  std::vector<Run> runs;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(common.runs, none))
    // Hidden: a folder on its way in or out, left by a process that was killed.
    if (!entry.path().filename().string().starts_with('.') && is_run_folder(entry.path()))
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

int list_runs(const Common& common) {
  const std::vector<Run> runs = read_runs(common);
  if (common.json) {
    json result = json::array();
    for (const Run& run : runs)
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
  warn_of(runs);
  const bool any_reason =
      std::any_of(runs.begin(), runs.end(), [](const Run& run) { return !run.status.reason.empty(); });
  std::vector<base::Table::Column> columns{
      {"run"}, {"status"}, {"step", base::Align::kRight}, {"loss", base::Align::kRight}};
  if (any_reason) columns.push_back({"why"});
  base::Table table(columns);
  for (const Run& run : runs) {
    std::vector<std::string> row{run.path.filename().string(), run.status.word, std::to_string(run.step),
                                 run.last.is_object() ? number(run.last.value("loss", json())) : "-"};
    if (any_reason) row.push_back(run.status.reason);
    table.add(row);
  }
  write_result(table.text(output_width()));
  return kDone;
}

// Every evaluated quantity of every run.
int table(const Common& common) {
  const std::vector<Run> runs = read_runs(common);
  if (runs.empty()) {
    write_result(no_runs(common));
    return kDone;
  }
  warn_of(runs);
  std::set<std::string> names;
  for (const Run& run : runs)
    if (run.last.is_object())
      for (const auto& [name, value] : run.last.items())
        if (value.is_number() && name != "step" && name != "epoch" && name != "loss") names.insert(name);
  std::vector<base::Table::Column> header{
      {"run"}, {"step", base::Align::kRight}, {"loss", base::Align::kRight}};
  for (const std::string& name : names) header.push_back({name, base::Align::kRight});
  base::Table rows(header);
  for (const Run& run : runs) {
    std::vector<std::string> row{run.path.filename().string(), std::to_string(run.step)};
    const json values = run.last.is_object() ? run.last : json::object();
    row.push_back(number(values.value("loss", json())));
    for (const std::string& name : names) row.push_back(number(values.value(name, json())));
    rows.add(row);
  }
  write_result(rows.text(output_width()));
  return kDone;
}

// Their config.resolved.toml are shown as they are.
void warn_of_edits(const fs::path& run) {
  const fs::path last = run / "checkpoints" / "last.h5";
  if (!fs::is_regular_file(last)) return;
  const model::RunConfig kept = model::compare_config(run, checkpoint::read(last), "last");
  if (!kept.found.empty()) write_message("warning: " + kept.found + " The table shows the file.");
}

int diff(const Common& common, const std::string& left, const std::string& right) {
  config::Diagnostics diagnostics;
  std::vector<config::Node> configs;
  for (const std::string& name : {left, right})
    configs.push_back(
        config::parse_file((run_path(common, name) / "config.resolved.toml").string(), diagnostics));
  diagnostics.throw_if_any();
  for (const std::string& name : {left, right}) warn_of_edits(run_path(common, name));
  base::Table rows({{"key"}, {left}, {right}});
  for (const auto& [key, values] : config::differences(configs))
    rows.add({key, values[0].value_or("-"), values[1].value_or("-")});
  write_result(rows.empty() ? "the two configs are the same" : rows.text(output_width()));
  return kDone;
}

struct PlotOptions {
  std::vector<std::string> runs, values, evaluations;
  std::string x = "step", split, out = "plot";
};

int plot(const Common& common, const PlotOptions& options) {
  std::vector<fs::path> folders;
  for (const std::string& run : options.runs) folders.push_back(run_path(common, run));
  const std::vector<study::RunSource> runs = study::sources(folders);
  if (options.evaluations.empty())
    for (const std::string& problem : study::damaged_metrics(runs)) write_message("warning: " + problem);
  const draw::Figure figure =
      options.evaluations.empty()
          ? study::curves(runs, options.x, options.values, options.split)
          : study::evaluations(runs, options.evaluations, options.split.empty() ? "test" : options.split);
  fs::path stem = options.out;
  if (base::is_special(base::followed(stem)))
    throw config::Error("error: a plot is several files; " + options.out + " is no place for them");
  if (stem.extension() == ".svg" || stem.extension() == ".png") stem.replace_extension();
  base::require_writable(stem.string() + ".svg", {.makes_folders = true});
  const draw::Drawn drawn = draw::draw(figure, stem);
  for (const fs::path& file : {drawn.csv, drawn.script, drawn.svg, drawn.png}) write_result(file.string());
  return kDone;
}

void add_plot(Command runs, Common& common, Action& action) {
  auto options = std::make_shared<PlotOptions>();
  Command command = runs.add_command("plot", "Curves of runs' metrics, or bars of their evaluations");
  command.add_option("run", options->runs, "RUN...: folders, or names below --runs").required();
  command.add_option("--x", options->x, "Horizontal axis of curves: step or epoch").shows_default();
  Option values =
      command.add_option("--value", options->values, "A value to draw, one panel each (all in common)")
          .type_name("NAME")
          .repeatable();
  command.add_option("--evaluation", options->evaluations, "Bars of these values as evaluate found them")
      .type_name("NAME...")
      .excludes(values);
  command.add_option("--split", options->split, "train, validation or test")
      .one_of({"train", "validation", "test"});
  command.add_option("--out", options->out, "Files to write, without or with .svg or .png")
      .type_name("FILE")
      .shows_default();
  command.on_chosen(
      [&common, &action, options] { action = [&common, options] { return plot(common, *options); }; });
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
  add_plot(runs, common, action);
}

}  // namespace variform::cli
