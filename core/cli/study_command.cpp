// study: trains and evaluates a grid of runs, then draws its figures and tables. report: draws them again.

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>

#include "base/contents.h"
#include "base/file.h"
#include "base/quote.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/console.h"
#include "cli/guests.h"
#include "cli/study_file.h"
#include "config/load.h"
#include "config/text.h"
#include "draw/html.h"
#include "draw/png_grid.h"
#include "study/captions.h"
#include "study/figures/figures.h"
#include "study/tables.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

// What cells lost when an axis gave them another component: once each, with the cells that it is true of.
class Notes {
 public:
  void add(const study::Cell& cell, const config::Node& resolved) {
    for (const std::string& note : config::notes_of(cell.dropped, resolved)) {
      auto [entry, is_new] = cells_.try_emplace(note, 0, study::text_of(cell));
      ++entry->second.first;
    }
  }
  void print() const {
    for (const auto& [note, cells] : cells_)
      write_message("note: " + note + " (" + std::to_string(cells.first) + " of the cells, such as " +
                    cells.second + ")");
  }

 private:
  std::map<std::string, std::pair<std::size_t, std::string>> cells_;
};

// Every kind of cell resolved and run for one step on two rows, before the first training: cells that differ only in
// axes of numbers (seeds, β) count as one kind. What builds on runs that are not there yet is judged in its turn.
void preflight(const Common& common, const StudyOptions& options, const Study& study) {
  BeforeSteps trial;
  if (!options.no_check)
    trial = [&](const model::Session& session) { return try_guests(session, *study.registry, common.quiet); };
  std::set<std::string> seen;
  Notes notes;
  for (const study::Cell& cell : study.cells) {
    if (!cell.needs.empty()) continue;
    config::Diagnostics diagnostics = study.sources;
    config::Experiment experiment =
        model::resolve_experiment(cell.config, *study.registry, common.places(), diagnostics);
    diagnostics.throw_if_any();
    notes.add(cell, experiment.resolved);
    if (!seen.insert(study::kind_of(cell)).second) continue;
    try {
      compose(std::move(experiment), *study.registry, common.places(), trial);
    } catch (const std::exception& error) {
      throw config::Error(std::string(error.what()) + "\n(the cell " + study::text_of(cell) + ")");
    }
  }
  if (!common.quiet) notes.print();
}

// Lines about cells that have ended, and below them how many are left. Several threads call it.
class CellProgress {
 public:
  explicit CellProgress(const Common& common) : quiet_(common.quiet), progress_(common.quiet) {}

  void say(const std::string& line) {
    if (quiet_) return;
    const std::lock_guard lock(mutex_);
    progress_.clear();
    write_message(line);
  }
  void ended(std::int64_t ended, std::int64_t worked, std::int64_t all) {
    const std::lock_guard lock(mutex_);
    ended_ = ended;
    worked_ = worked;
    all_ = all;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    progress_.clear();
  }
  void tick() {
    const std::lock_guard lock(mutex_);
    if (all_ > 0) progress_.show("study", "cells", ended_, all_, worked_);
  }

 private:
  const bool quiet_;
  std::mutex mutex_;
  Progress progress_;
  std::int64_t ended_ = 0, worked_ = 0, all_ = 0;
};

// The runner, and what it says on its way.
study::RunnerOptions shown_runner_options(const Common& common, const StudyOptions& options,
                                          const Study& study, CellProgress& progress) {
  study::RunnerOptions runner = runner_options(common, options, study);
  runner.interrupted = [&progress] {  // asked all the time while a cell's command runs
    progress.tick();
    return interrupted();
  };
  runner.say = [&progress](const std::string& line) { progress.say(line); };
  runner.progressed = [&progress](std::int64_t ended, std::int64_t worked, std::int64_t all) {
    progress.ended(ended, worked, all);
  };
  progress.ended(0, 0, static_cast<std::int64_t>(runner.only ? 1 : study.cells.size()));
  return runner;
}

int list_cells(study::Runner& runner, const Study& study) {
  base::Table table({{"cell", base::Align::kRight}, {"stage"}, {"what"}, {"state"}, {"run"}});
  const std::vector<study::State> states = runner.states();
  for (std::size_t i = 0; i < study.cells.size(); ++i) {
    constexpr const char* kStates[] = {"waits for others", "to do", "begun", "done", "of other plugins"};
    table.add({std::to_string(i + 1), study.plan.stages[study.cells[i].stage].name,
               study::text_of(study.cells[i]), kStates[static_cast<int>(states[i].stage)],
               states[i].run.filename().string()});
  }
  write_result(table.text(output_width()));
  return kDone;
}

// A caption of the config, or else the name; then what the figure or table itself has to say of it.
std::string caption_of(const std::string& name, const std::string& caption, const std::string& note) {
  const std::string text = caption.empty() ? name : caption;
  return note.empty() ? text : text + (text.ends_with('.') ? " " : ". ") + note;
}

// Every cell, and the run that it is.
base::Table cells_of(const study::StudyResults& results) {
  std::vector<base::Table::Column> columns{{"run"}, {"stage"}};
  for (const std::string& axis : results.axes) columns.push_back({axis});
  base::Table table(columns);
  std::set<std::string> seen;
  for (const auto& file : results.files) {
    if (file.run.empty() || !seen.insert(file.run.string()).second) continue;
    std::vector<std::string> row{file.run.filename().string(), file.stage};
    for (const std::string& axis : results.axes) row.push_back(study::label_of(file.labels, axis));
    table.add(row);
  }
  return table;
}

// What is made of a study's results, and where it goes.
struct Report {
  const study::StudyResults& results;
  study::SharedSettings settings;
  fs::path folder;
  Progress& progress;
  draw::HtmlPage page;

  void print(const std::string& text) const {
    progress.clear();
    write_result(text);
  }

  // NAME.txt beside a table or figure: what it shows, and of which runs.
  void write_caption(const fs::path& stem, const std::string& caption, const std::string& detail) const {
    base::write_text_file(stem.string() + ".txt",
                          base::shown_lines(caption + "\n" + (detail.empty() ? "" : detail + "\n")));
  }

  void draw(const study::TableSpec& spec) {
    const study::StudyTable table = study::table_of(results, spec);
    const std::string caption = caption_of(spec.name, spec.caption, table.note),
                      detail = settings.of(table.cells);
    const fs::path stem = folder / "tables" / spec.name;
    base::make_folder_inside(folder, stem.parent_path());
    base::write_text_file(stem.string() + ".md", table.table.markdown());
    base::write_text_file(stem.string() + ".csv", table.csv);
    base::write_text_file(stem.string() + ".tex", table.latex);
    write_caption(stem, caption, detail);
    print("\n" + fitted(caption + "\n") + table.table.text(output_width()));
    page.table(caption, table.table, detail);
  }

  void draw(const study::FigureSpec& spec) {
    const study::StudyFigure shown = study::figure_of(results, spec);
    const std::string caption = caption_of(spec.name, spec.caption, shown.note),
                      detail = settings.of(shown.cells);
    const fs::path stem = folder / "figures" / spec.name;
    base::make_folder_inside(folder, stem.parent_path());
    write_caption(stem, caption, detail);
    const draw::Drawn drawn = draw::draw(shown.figure, stem);
    print(drawn.svg.string());
    page.figure(base::contents_of(drawn.svg, base::kMostOfLog), caption, detail);
  }
};

// Tables, figures, the numbers behind them, and the page that shows them all, below the study's folder. Returns a
// sentence for everything that could not be made.
std::vector<std::string> draw(const Common& common, const fs::path& folder, const Study& study) {
  study::StudyResults results = study::read_study(folder, common.runs);
  std::vector<std::string> problems = results.problems;
  for (const std::string& warning : results.warnings) write_message("warning: " + warning);
  for (std::string& problem : study::add_metrics(results, study.metrics))
    problems.push_back(std::move(problem));
  const std::string command = "variform study " + study.files;
  Progress progress(common.quiet);
  Report report{results, study::SharedSettings(results), folder, progress, draw::HtmlPage(results.title)};
  draw::HtmlPage& page = report.page;
  base::write_text_file(folder / "study.toml", "command = " + config::quote(command) + "\n" + study.text);
  base::write_text_file(folder / "results.csv", study::csv_of(results));
  write_result((folder / "results.csv").string());
  std::int64_t begun = 0;
  const auto all = static_cast<std::int64_t>(study.tables.size() + study.figures.size());
  const auto begin = [&] {
    if (interrupted()) return false;
    progress.show("report", "tables and figures", begun++, all);
    return true;
  };
  const auto draw_one = [&](const auto& spec) { report.draw(spec); };
  make_each(study.tables, problems, draw_one, begin);
  make_each(study.figures, problems, draw_one, begin);
  progress.clear();
  if (interrupted()) {
    problems.push_back("interrupted: " + std::to_string(begun) + " of " + std::to_string(all) +
                       " tables and figures were made; report.html is the former one.");
    return problems;
  }
  if (!results.warnings.empty()) {
    page.heading("What to know");
    for (const std::string& warning : results.warnings) page.paragraph(warning);
  }
  if (!problems.empty()) {
    page.heading("What is missing");
    for (const std::string& problem : problems) page.paragraph(problem);
  }
  page.heading("How it was made");
  page.details("The command", command + "\n");
  page.details("The config that all runs share", config::print(study.plan.base));
  page.details("What the study varies, evaluates and shows", study.text);
  page.table("Runs", cells_of(results));
  base::write_text_file(folder / "report.html", page.text());
  write_result((folder / "report.html").string());
  return problems;
}

// Before long work: what it will be written to.
void require_folder(const fs::path& folder, const char* option) {
  base::require_writable(folder / "study.json", {.option = option, .makes_folders = true});
}

int say_what_failed(const std::vector<std::string>& failures) {
  for (const std::string& failure : failures) write_message("failed: " + failure);
  return failures.empty() ? kDone : kFailed;
}

int study_command(const Common& common, const StudyOptions& options) {
  const Study study = load_study(common, options);
  if (options.only > study.cells.size())
    throw config::Error("error: --only takes a cell from 1 to " + std::to_string(study.cells.size()) +
                        " (see --list).");
  CellProgress progress(common);
  const study::RunnerOptions runner_settings = shown_runner_options(common, options, study, progress);
  study::Runner runner(study.plan, study.cells, runner_settings);
  if (options.list) return list_cells(runner, study);
  require_folder(runner_settings.folder, "--studies");
  require_folder(runner_settings.runs, "--runs");
  preflight(common, options, study);
  watch_signals();
  const std::vector<std::string> failures = runner.run();
  progress.clear();
  if (interrupted()) {
    write_message("interrupted; the same command goes on where it was.");
    return kInterrupted;
  }
  const int code = say_what_failed(failures);
  if (runner_settings.only) return code;
  const int drawn = say_what_failed(draw(common, runner_settings.folder, study));
  return interrupted() ? kInterrupted : std::max(code, drawn);
}

int report_command(const Common& common, const StudyOptions& options) {
  const Study study = load_study(common, options);
  const fs::path folder = fs::absolute(fs::path(options.studies) / study.plan.name);
  require_folder(folder, "--studies");
  watch_signals();
  const int code = say_what_failed(draw(common, folder, study));
  return interrupted() ? kInterrupted : code;
}

}  // namespace

void add_study_commands(Command app, Common& common, Action& action) {
  auto options = std::make_shared<StudyOptions>();
  const auto add = [&](const char* name, const char* description, auto run) {
    Command command = app.add_command(name, description);
    command.add_option("study", options->arguments, "STUDY.toml [a.b=VALUE...]").required();
    command.add_option("--studies", options->studies, "Where the folders of studies are")
        .type_name("DIR")
        .shows_default();
    command.on_chosen([&common, &action, options, run] {
      action = [&common, options, run] { return run(common, *options); };
    });
    return command;
  };
  Command study =
      add("study", "Train and evaluate a grid of runs; what is done already is skipped", study_command);
  study.add_option("--jobs", options->jobs, "Runs at once; more than one: one thread each")
      .positive()
      .shows_default();
  study.add_option("--only", options->only, "This cell alone (its number in --list), for job arrays")
      .positive();
  study.add_flag("--accept-changed-plugins", options->accept_changed_plugins,
                 "Keep the results of runs whose plugins have changed since, beside new ones");
  study.add_flag("--no-check", options->no_check,
                 "Do not try plugins that did not come with the program before their first training");
  study.add_flag("--list", options->list, "Say what the cells are, and where they stand");
  add("report", "Draw a study's tables and figures again, without training", report_command);
}

}  // namespace variform::cli
