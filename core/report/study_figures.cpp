// See study_figures.h.

#include "report/study_figures.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "config/reader.h"
#include "report/png_grid.h"

namespace variform::report {
namespace {

using config::Reader;

// -------------------------------------------------------------------------------------------------- reading

// What figures and tables share: which rows.
Selection read_selection(Reader& reader, const std::vector<std::string>& axes) {
  Selection selection;
  selection.evaluation = reader.text("evaluation", {.fallback = ""});
  selection.stage = reader.text("stage", {.fallback = ""});
  Reader where = reader.table("where");
  for (const auto& member : where.source().members()) {
    if (std::find(axes.begin(), axes.end(), member.key) == axes.end())
      where.error(member.key, "@ is no axis of this study.", config::did_you_mean(member.key, axes));
    std::vector<std::string>& labels = selection.where[member.key];
    if (member.value.if_array()) labels = where.texts(member.key, {.fallback = std::vector<std::string>{}});
    else labels = {where.text(member.key, {.fallback = ""})};
  }
  return selection;
}

void read_axis(Reader& reader, const char* key, std::string& axis, std::vector<std::string> known) {
  axis = reader.text(key, {.fallback = ""});
  if (!axis.empty() && std::find(known.begin(), known.end(), axis) == known.end())
    reader.error(key, "@ names \"" + axis + "\", which is no axis of this study.",
                 config::did_you_mean(axis, known));
}

std::vector<std::string> with(std::vector<std::string> axes, std::initializer_list<const char*> more) {
  axes.insert(axes.end(), more.begin(), more.end());
  return axes;
}

template <class Spec, class Read>
std::vector<Spec> read_array(const config::Node& node, const char* path, config::Diagnostics& diagnostics,
                             const Read& read) {
  std::vector<Spec> specs;
  if (!node.if_array()) return specs;
  std::set<std::string> names;
  for (const config::Node& element : *node.if_array()) {
    Reader reader(element, diagnostics, path);
    Spec spec;
    spec.name = reader.text("name");
    spec.caption = reader.text("caption", {.fallback = ""});
    spec.metrics = reader.texts("metrics", {.fallback = {}, .choices = {}, .least = 1});
    read(reader, spec);
    reader.finish();
    if (!names.insert(spec.name).second) reader.error("name", "@ is taken already.");
    specs.push_back(std::move(spec));
  }
  return specs;
}

// -------------------------------------------------------------------------------------------------- grouping

// A coordinate of a figure: its text, and its place among the others.
std::string coordinate(const StudyRow& row, const std::string& axis) {
  return axis == "metric" ? row.metric : axis.empty() ? std::string() : label_of(row.labels, axis);
}

// In the order of first sight.
std::vector<std::string> distinct(const std::vector<const StudyRow*>& rows, const std::string& axis) {
  std::vector<std::string> found;
  for (const StudyRow* row : rows)
    if (const std::string text = coordinate(*row, axis);
        std::find(found.begin(), found.end(), text) == found.end())
      found.push_back(text);
  return found;
}

std::vector<const StudyRow*> rows_of(const StudyResults& results, const Selection& like,
                                     const std::vector<std::string>& metrics) {
  std::vector<const StudyRow*> rows;
  for (const std::string& metric : metrics) {
    Selection selection = like;
    selection.metric = metric;
    for (const StudyRow* row : select(results, selection)) rows.push_back(row);
  }
  return rows;
}

std::vector<const StudyRow*> only(const std::vector<const StudyRow*>& rows, const std::string& axis,
                                  const std::string& text) {
  std::vector<const StudyRow*> found;
  for (const StudyRow* row : rows)
    if (coordinate(*row, axis) == text) found.push_back(row);
  return found;
}

std::optional<double> as_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// Places on the x axis: numbers where all labels are numbers, else one after another with their names.
struct Abscissa {
  std::string axis;
  std::vector<std::string> names;  ///< empty: numbers

  Abscissa(const std::vector<const StudyRow*>& rows, const std::string& x) : axis(x) {
    if (axis == "epoch" || axis == "step") return;
    const std::vector<std::string> labels = distinct(rows, axis);
    if (std::any_of(labels.begin(), labels.end(), [](const auto& label) { return !as_number(label); }))
      names = labels;
  }
  double operator()(const StudyRow& row) const {
    if (axis == "epoch") return row.epoch.value_or(0);
    if (axis == "step") return static_cast<double>(row.step.value_or(0));
    const std::string label = coordinate(row, axis);
    if (names.empty()) return *as_number(label);
    return static_cast<double>(std::find(names.begin(), names.end(), label) - names.begin() + 1);
  }
};

// One line with its intervals, and its single values.
void add_series(Panel& panel, const std::string& label, const std::vector<const StudyRow*>& rows,
                const Abscissa& x) {
  std::map<double, std::vector<double>> at;
  for (const StudyRow* row : rows) at[x(*row)].push_back(row->value);
  Series line{label, {}, {}}, single{label, {}, {}};
  single.marks_only = true;
  for (const auto& [place, values] : at) {
    const Interval interval = interval_of(values);
    line.x.push_back(place);
    line.y.push_back(interval.mean);
    line.error.push_back(interval.half.value_or(std::nan("")));
    if (values.size() < 2) continue;
    for (const double value : values) {
      single.x.push_back(place);
      single.y.push_back(value);
    }
  }
  if (std::none_of(line.error.begin(), line.error.end(), [](double e) { return std::isfinite(e); }))
    line.error.clear();
  panel.series.push_back(std::move(line));
  if (!single.x.empty()) panel.series.push_back(std::move(single));
}

std::string latex(const std::string& text) {
  std::string escaped;
  for (const char c : text)
    escaped += std::string(std::string("&%$#_{}").find(c) != std::string::npos ? "\\" : "") + c;
  return escaped;
}

}  // namespace

std::vector<FigureSpec> read_figures(const config::Node& figures, const std::vector<std::string>& axes,
                                     config::Diagnostics& diagnostics) {
  return read_array<FigureSpec>(figures, "study.figures", diagnostics, [&](Reader& reader, FigureSpec& spec) {
    spec.kind = reader.text("kind", {.fallback = "curves", .choices = {"curves", "bars"}});
    read_axis(reader, "x", spec.x, with(axes, {"epoch", "step"}));
    if (spec.x.empty() && spec.kind == "curves")
      reader.error("x", "Curves need an axis @, \"epoch\" or \"step\".");
    read_axis(reader, "panel", spec.panel, with(axes, {"metric"}));
    read_axis(reader, "series", spec.series, with(axes, {"metric"}));
    spec.x_label = reader.text("x_label", {.fallback = spec.x.substr(spec.x.rfind('.') + 1)});
    spec.y_label = reader.text("y_label", {.fallback = spec.metrics.size() == 1 ? spec.metrics[0] : ""});
    spec.log_x = reader.flag("log_x", {.fallback = false});
    spec.log_y = reader.flag("log_y", {.fallback = false});
    spec.selection = read_selection(reader, axes);
    spec.selection.along = spec.x == "epoch" || spec.x == "step";
  });
}

std::vector<TableSpec> read_tables(const config::Node& tables, const std::vector<std::string>& axes,
                                   config::Diagnostics& diagnostics) {
  return read_array<TableSpec>(tables, "study.tables", diagnostics, [&](Reader& reader, TableSpec& spec) {
    spec.rows = reader.texts("rows", {.fallback = {}, .choices = axes, .least = 1});
    spec.selection = read_selection(reader, axes);
  });
}

Figure figure_of(const StudyResults& results, const FigureSpec& spec) {
  const std::vector<const StudyRow*> rows = rows_of(results, spec.selection, spec.metrics);
  if (rows.empty())
    throw Error("the figure " + spec.name + " has nothing to show: no run of the study has " +
                spec.metrics[0] + ".");
  Figure figure;
  figure.kind = spec.kind == "bars" ? FigureKind::kBars : FigureKind::kCurves;
  for (const std::string& title : distinct(rows, spec.panel)) {
    const auto here = only(rows, spec.panel, title);
    Panel panel;
    panel.title =
        title.empty() ? spec.metrics[0] : spec.panel.substr(spec.panel.rfind('.') + 1) + " " + title;
    if (spec.panel == "metric") panel.title = title;
    panel.x_label = spec.x_label;
    panel.y_label = spec.y_label;
    panel.log_x = spec.log_x;
    panel.log_y = spec.log_y;
    for (const std::string& label : distinct(rows, spec.series)) {
      const auto one = only(here, spec.series, label);
      if (one.empty()) continue;
      const std::string name = label.empty() ? spec.metrics[0] : label;
      if (figure.kind == FigureKind::kCurves) {
        const Abscissa x(rows, spec.x);
        panel.x_names = x.names;
        add_series(panel, name, one, x);
        continue;
      }
      std::vector<double> values;
      for (const StudyRow* row : one) values.push_back(row->value);
      const Interval interval = interval_of(values);
      panel.series.push_back(
          {name, {}, {interval.mean}, interval.half ? std::vector{*interval.half} : std::vector<double>{}});
    }
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

StudyTable table_of(const StudyResults& results, const TableSpec& spec) {
  const std::vector<const StudyRow*> rows = rows_of(results, spec.selection, spec.metrics);
  std::vector<std::vector<std::string>> keys;  // of the table's rows, in the order of first sight
  const auto key_of = [&](const StudyRow& row) {
    std::vector<std::string> key;
    for (const std::string& axis : spec.rows) key.push_back(label_of(row.labels, axis));
    return key;
  };
  for (const StudyRow* row : rows)
    if (std::find(keys.begin(), keys.end(), key_of(*row)) == keys.end()) keys.push_back(key_of(*row));

  std::vector<Table::Column> columns;
  StudyTable out{Table({}), {}, {}};
  std::string heads;
  for (const std::string& axis : spec.rows) {
    columns.push_back({axis.substr(axis.rfind('.') + 1)});
    out.csv += (out.csv.empty() ? "" : ",") + axis;
    heads += (heads.empty() ? "" : " & ") + latex(columns.back().heading);
  }
  for (const std::string& metric : spec.metrics) {
    columns.push_back({metric, Align::kRight});
    out.csv += "," + metric + "," + metric + "_half95,n";
    heads += " & " + latex(metric);
  }
  out.csv += "\n";
  out.latex = "\\begin{tabular}{" + std::string(spec.rows.size(), 'l') +
              std::string(spec.metrics.size(), 'r') + "}\n\\hline\n" + heads + " \\\\\n\\hline\n";
  Table table(columns);
  for (const std::vector<std::string>& key : keys) {
    std::vector<std::string> cells = key;
    std::string csv, tex;
    for (const std::string& label : key) {
      csv += (csv.empty() ? "" : ",") + label;
      tex += (tex.empty() ? "" : " & ") + latex(label);
    }
    for (const std::string& metric : spec.metrics) {
      std::vector<double> values;
      for (const StudyRow* row : rows)
        if (row->metric == metric && key_of(*row) == key) values.push_back(row->value);
      if (values.empty()) {
        cells.push_back("–");
        csv += ",,,0";
        tex += " & --";
        continue;
      }
      const Interval interval = interval_of(values);
      cells.push_back(with_error(interval.mean, interval.half.value_or(0)));
      char text[96];
      std::snprintf(text, sizeof text, ",%.10g,%.10g,%zu", interval.mean, interval.half.value_or(NAN),
                    values.size());
      csv += text;
      std::string cell = cells.back();
      if (const std::size_t at = cell.find("±"); at != std::string::npos)
        cell.replace(at, std::string("±").size(), "$\\pm$");
      tex += " & " + cell;
    }
    table.add(cells);
    out.csv += csv + "\n";
    out.latex += tex + " \\\\\n";
  }
  out.latex += "\\hline\n\\end{tabular}\n";
  out.table = std::move(table);
  return out;
}

}  // namespace variform::report
