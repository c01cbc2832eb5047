// See report.h.

#include "study/report.h"

#include <set>

#include <fmt/format.h>

#include "base/contents.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/table.h"
#include "config/load.h"
#include "config/text.h"
#include "draw/html.h"
#include "study/captions.h"
#include "study/figures/figures.h"
#include "study/results.h"
#include "study/tables.h"

namespace variform::study {
namespace fs = std::filesystem;
namespace {

// Returns the config's caption, or else the name, followed by the note of the figure or table.
std::string caption_of(const std::string& name, const std::string& caption, const std::string& note) {
  const std::string text = caption.empty() ? name : caption;
  return note.empty() ? text : text + (text.ends_with('.') ? " " : ". ") + note;
}

// Returns a table of all cells and their runs.
base::Table cells_of(const StudyResults& results) {
  std::vector<base::Table::Column> columns{{"run"}, {"stage"}};
  for (const std::string& axis : results.axes) columns.push_back({axis});
  base::Table table(columns);
  std::set<std::string> seen;
  for (const auto& file : results.files) {
    if (file.run.empty() || !seen.insert(file.run.string()).second) continue;
    std::vector<std::string> row{file.run.filename().string(), file.stage};
    for (const std::string& axis : results.axes) row.push_back(label_of(file.labels, axis));
    table.add(row);
  }
  return table;
}

class Report {
 public:
  Report(const StudyFile& study, const StudyOptions& options, const ReportHost& host)
      : study_(study),
        host_(host),
        folder_(folder_of(study, options)),
        command_("variform study " + study.arguments),
        results_(read_study(folder_, options.runs)),
        problems_(results_.problems),
        settings_(results_),
        page_(results_.title) {}

  std::vector<std::string> write() {
    for (const std::string& warning : results_.warnings) host_.log.warning(warning);
    for (std::string& problem : add_metrics(results_, study_.metrics))
      problems_.push_back(std::move(problem));
    write_description(study_, folder_);
    base::write_text_file(folder_ / "results.csv", csv_of(results_));
    print((folder_ / "results.csv").string());
    make_each(
        study_.tables, problems_, [&](const TableSpec& spec) { draw(spec); }, [&] { return goes_on(); });
    make_each(
        study_.figures, problems_, [&](const FigureSpec& spec) { draw(spec); }, [&] { return goes_on(); });
    if (interrupted())
      problems_.push_back(
          fmt::format("interrupted: {} of {} tables and figures were made; report.html is the former one.",
                      begun_, all()));
    else write_page();
    return std::move(problems_);
  }

 private:
  bool interrupted() const { return host_.interrupted && host_.interrupted(); }
  std::int64_t all() const { return static_cast<std::int64_t>(study_.tables.size() + study_.figures.size()); }
  bool goes_on() {
    if (interrupted()) return false;
    if (host_.progress) host_.progress(begun_, all());
    ++begun_;
    return true;
  }
  void print(const std::string& text) const {
    if (host_.print) host_.print(text);
  }

  // Writes NAME.txt beside a table or figure: what it shows, and of which runs.
  void write_caption(const fs::path& stem, const std::string& caption, const std::string& detail) const {
    base::write_text_file(stem.string() + ".txt",
                          base::shown_lines(caption + "\n" + (detail.empty() ? "" : detail + "\n")));
  }

  void draw(const TableSpec& spec) {
    const StudyTable table = table_of(results_, spec);
    const std::string caption = caption_of(spec.name, spec.caption, table.note),
                      detail = settings_.of(table.cells);
    const fs::path stem = folder_ / "tables" / spec.name;
    base::make_folder_inside(folder_, stem.parent_path());
    base::write_text_file(stem.string() + ".md", table.table.markdown());
    base::write_text_file(stem.string() + ".csv", table.csv);
    base::write_text_file(stem.string() + ".tex", table.latex);
    write_caption(stem, caption, detail);
    print("\n" + base::folded(caption + "\n", host_.width) + table.table.text(host_.width));
    page_.table(caption, table.table, detail);
  }

  void draw(const FigureSpec& spec) {
    const StudyFigure shown = figure_of(results_, spec);
    const std::string caption = caption_of(spec.name, spec.caption, shown.note),
                      detail = settings_.of(shown.cells);
    const fs::path stem = folder_ / "figures" / spec.name;
    base::make_folder_inside(folder_, stem.parent_path());
    write_caption(stem, caption, detail);
    const draw::Drawn drawn = draw::draw(shown.figure, stem);
    print(drawn.svg.string());
    page_.figure(base::contents_of(drawn.svg, base::kMostOfLog), caption, detail);
  }

  void write_page() {
    const auto section = [&](const char* heading, const std::vector<std::string>& sentences) {
      if (sentences.empty()) return;
      page_.heading(heading);
      for (const std::string& sentence : sentences) page_.paragraph(sentence);
    };
    section("What to know", results_.warnings);
    section("What is missing", problems_);
    page_.heading("How it was made");
    page_.details("The command", command_ + "\n");
    page_.details("The config that all runs share", config::print(study_.plan.base));
    page_.details("What the study varies, evaluates and shows", study_.text);
    page_.table("Runs", cells_of(results_));
    base::write_text_file(folder_ / "report.html", page_.text());
    print((folder_ / "report.html").string());
  }

  const StudyFile& study_;
  const ReportHost& host_;
  const fs::path folder_;
  const std::string command_;
  StudyResults results_;
  std::vector<std::string> problems_;
  SharedSettings settings_;
  draw::HtmlPage page_;
  std::int64_t begun_ = 0;
};

}  // namespace

std::vector<std::string> write_report(const StudyFile& study, const StudyOptions& options,
                                      const ReportHost& host) {
  return Report(study, options, host).write();
}

}  // namespace variform::study
