// Curves and bars of studies: see figures.h.

#include <algorithm>
#include <cmath>
#include <map>

#include "config/text.h"
#include "draw/png_grid.h"
#include "study/figures/figures.h"
#include "study/groups.h"

namespace variform::study {
namespace {

Rows some_rows(const StudyResults& results, const FigureSpec& spec) {
  return asked_rows(results, spec.selection, spec.metrics, "nothing to show");
}

// Places on the x axis: the labels' values if all are numbers, else one after another with the labels as names.
struct Abscissa {
  std::string axis;
  std::vector<draw::Tick> ticks;  ///< empty: gnuplot's own

  Abscissa(const StudyResults& results, const Rows& rows, const FigureSpec& spec) : axis(spec.x) {
    if (axis == "epoch" || axis == "step") return;
    const std::vector<std::string> labels = distinct(results, rows, axis);
    const bool numbers = std::all_of(labels.begin(), labels.end(),
                                     [](const std::string& label) { return as_number(label).has_value(); });
    if (numbers && !spec.log_x) return;
    for (const std::string& label : labels)
      ticks.push_back({numbers ? *as_number(label) : static_cast<double>(ticks.size() + 1), label});
  }
  double operator()(const StudyRow& row) const {
    if (axis == "epoch") return row.epoch.value_or(0);
    if (axis == "step") return static_cast<double>(row.step.value_or(0));
    const std::string label = coordinate(row, axis);
    for (const draw::Tick& tick : ticks)
      if (tick.text == label) return tick.at;
    return as_number(label).value_or(std::nan(""));
  }
};

void drop_empty_errors(draw::Series& line) {
  if (std::none_of(line.error.begin(), line.error.end(), [](double e) { return std::isfinite(e); }))
    line.error.clear();
}

// Returns the error bar: the interval over seeds, or the evaluation's error for a single run.
double bar_of(const Interval& interval) {
  return interval.half.value_or(interval.error.value_or(std::nan("")));
}

// Adds one line with its intervals and single values.
void add_series(draw::Panel& panel, const std::string& label, const Rows& rows, const Abscissa& x,
                Averages& averages) {
  std::map<double, Rows> at;
  for (const StudyRow* row : rows) at[x(*row)].push_back(row);
  draw::Series line{label, {}, {}}, single{label, {}, {}};
  single.style = draw::Series::Style::kSingles;
  for (const auto& [place, here] : at) {
    const Interval interval = interval_of(here);
    line.x.push_back(place);
    line.y.push_back(interval.mean);
    line.error.push_back(bar_of(interval));
    averages.add(interval);
    if (here.size() < 2) continue;
    for (const double value : interval.values) {
      single.x.push_back(place);
      single.y.push_back(value);
    }
  }
  drop_empty_errors(line);
  panel.series.push_back(std::move(line));
  if (!single.x.empty()) panel.series.push_back(std::move(single));
}

// Adds one line through the means of two metrics at each label of spec.points.
void add_pairs(draw::Panel& panel, const std::string& label, const Rows& rows,
               const std::map<Place, double>& x, const StudyResults& results, const FigureSpec& spec,
               Averages& averages) {
  draw::Series line{label, {}, {}}, single{label, {}, {}};
  single.style = draw::Series::Style::kSingles;
  std::map<double, Rows> epochs;
  std::vector<std::pair<std::string, Rows>> points;
  if (spec.points == "epoch") {
    for (const StudyRow* row : rows) epochs[row->epoch.value_or(0)].push_back(row);
    for (const auto& [epoch, here] : epochs) points.emplace_back(config::format_plain(epoch), here);
  } else {
    for (const std::string& text : distinct(results, rows, spec.points))
      points.emplace_back(text, only(rows, spec.points, text));
  }
  for (const auto& [text, all] : points) {
    Rows here;
    std::vector<double> places;
    for (const StudyRow* row : all)
      if (const auto found = x.find(place_of(*row)); found != x.end()) {
        here.push_back(row);
        places.push_back(found->second);
      }
    if (here.empty()) continue;
    const Interval interval = interval_of(here);
    line.x.push_back(interval_of(places).mean);
    line.y.push_back(interval.mean);
    line.error.push_back(bar_of(interval));
    averages.add(interval);
    line.names.push_back(spec.point_labels ? text : "");
    if (here.size() < 2) continue;
    single.x.insert(single.x.end(), places.begin(), places.end());
    single.y.insert(single.y.end(), interval.values.begin(), interval.values.end());
  }
  if (line.x.empty()) return;
  if (!spec.point_labels) line.names.clear();
  drop_empty_errors(line);
  panel.series.push_back(std::move(line));
  if (!single.x.empty()) panel.series.push_back(std::move(single));
}

void add_bar(draw::Panel& panel, const std::string& label, const Rows& rows, Averages& averages) {
  const Interval interval = interval_of(rows);
  averages.add(interval);
  draw::Series bar{label, {}, {interval.mean}, {bar_of(interval)}};
  drop_empty_errors(bar);
  panel.series.push_back(std::move(bar));
}

// Calls add(panel, label, rows, averages) for each panel and series.
template <class Add>
StudyFigure panels_of(const StudyResults& results, const FigureSpec& spec, const Rows& rows, const Add& add) {
  // With one metric and no panels, the y axis names the metric.
  const std::string whole = spec.metrics.size() > 1 || spec.kind == FigureSpec::Kind::kBars
                                ? config::join(spec.metrics)
                                : std::string();
  StudyFigure shown;
  Averages averages;
  for (const std::string& title : distinct(results, rows, spec.panel)) {
    const Rows here = only(rows, spec.panel, title);
    draw::Panel panel = empty_panel(spec, title, whole);
    for (const std::string& label : distinct(results, rows, spec.series))
      if (const Rows one = only(here, spec.series, label); !one.empty())
        add(panel, label.empty() ? spec.metrics[0] : label, one, averages);
    if (!panel.series.empty()) shown.figure.panels.push_back(std::move(panel));
  }
  shown.cells = results.cells_of(rows);
  shown.note = averages.note("Bars", spec.caption);
  shown.figure.legend_title =
      legend_title(spec.series, distinct(results, rows, spec.series), averages.over());
  return shown;
}

}  // namespace

StudyFigure curves_of(const StudyResults& results, const FigureSpec& spec) {
  const Rows rows = some_rows(results, spec);
  if (spec.x_metric.empty()) {
    const Abscissa x(results, rows, spec);
    return panels_of(results, spec, rows,
                     [&](draw::Panel& panel, const std::string& label, const Rows& one, Averages& averages) {
                       panel.x_ticks = x.ticks;
                       add_series(panel, label, one, x, averages);
                     });
  }
  std::map<Place, double> x;
  for (const StudyRow* row : asked_rows(results, spec.selection, {spec.x_metric}, "nothing to show"))
    x[place_of(*row)] = row->value;
  StudyFigure shown =
      panels_of(results, spec, rows,
                [&](draw::Panel& panel, const std::string& label, const Rows& one, Averages& averages) {
                  add_pairs(panel, label, one, x, results, spec, averages);
                });
  // Beside more than two lines texts would hide each other; only the first line gets them.
  for (draw::Panel& panel : shown.figure.panels)
    for (std::size_t s = 1; s < panel.series.size(); ++s)
      if (panel.series.size() > 4) panel.series[s].names.clear();
  if (shown.figure.panels.empty())
    throw base::Error("nothing to show: no run has both " + spec.x_metric + " and " + spec.metrics[0] + ".");
  return shown;
}

StudyFigure bars_of(const StudyResults& results, const FigureSpec& spec) {
  StudyFigure shown = panels_of(results, spec, some_rows(results, spec), add_bar);
  shown.figure.kind = draw::FigureKind::kBars;
  return shown;
}

}  // namespace variform::study
