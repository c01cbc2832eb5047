// See figures.h.

#include "study/figures/figures.h"

#include <algorithm>

#include "config/text.h"
#include "draw/png_grid.h"
#include "study/groups.h"

namespace variform::study {
namespace {

StudyFigure by_kind(const StudyResults& results, const FigureSpec& spec) {
  switch (spec.kind) {
    case FigureSpec::Kind::kBars: return bars_of(results, spec);
    case FigureSpec::Kind::kHeatMap: return heat_maps_of(results, spec);
    case FigureSpec::Kind::kScatter: return scatter_of(results, spec);
    case FigureSpec::Kind::kHistogram: return histograms_of(results, spec);
    case FigureSpec::Kind::kImages: return images_of(results, spec);
    default: return curves_of(results, spec);
  }
}

// Makes one figure of separately specified panels.
StudyFigure panels_of(const StudyResults& results, const FigureSpec& spec) {
  StudyFigure whole;
  std::set<std::size_t> cells;
  for (const FigureSpec& one : spec.panels) {
    StudyFigure shown = by_kind(results, one);
    for (draw::Panel& panel : shown.figure.panels) {
      if (!one.title.empty()) panel.title = one.title;
      whole.figure.panels.push_back(std::move(panel));
    }
    cells.insert(shown.cells.begin(), shown.cells.end());
    if (whole.note.find(shown.note) == std::string::npos)
      whole.note += (whole.note.empty() ? "" : " ") + shown.note;
    if (whole.figure.legend_title.empty()) whole.figure.legend_title = shown.figure.legend_title;
  }
  whole.cells.assign(cells.begin(), cells.end());
  return whole;
}

bool has_something(const draw::Panel& panel) { return panel.map || panel.picture; }

// Adds the unit to labels that are a metric's name, which they are unless the figure says otherwise.
FigureSpec with_units(FigureSpec spec, const StudyResults& results) {
  for (std::string* label : {&spec.x_label, &spec.y_label})
    if (const auto unit = results.units.find(*label); unit != results.units.end() && !unit->second.empty())
      *label += ", " + unit->second;
  for (FigureSpec& panel : spec.panels) panel = with_units(std::move(panel), results);
  return spec;
}

}  // namespace

StudyFigure figure_of(const StudyResults& results, const FigureSpec& plain) {
  const FigureSpec spec = with_units(plain, results);
  try {
    return spec.panels.empty() ? by_kind(results, spec) : panels_of(results, spec);
  } catch (const base::Error& error) {
    throw base::Error("the figure " + spec.name + ": " + error.what());
  }
}

draw::Panel empty_panel(const FigureSpec& spec, const std::string& label, const std::string& whole) {
  draw::Panel panel;
  panel.title = spec.panel.empty()       ? whole
                : spec.panel == "metric" ? label
                                         : title_of(spec.panel_label, spec.panel, label);
  panel.x_label = spec.x_label;
  panel.y_label = spec.y_label;
  panel.log_x = spec.log_x;
  panel.log_y = spec.log_y;
  panel.identity = spec.identity;
  if (!spec.shared_axes) return panel;
  panel.x_quantity = spec.x + spec.x_metric + spec.x_array + spec.array + (spec.log_x ? " log" : "");
  const std::string y = spec.panel == "metric" ? label : config::join(spec.metrics) + spec.y_array;
  panel.y_quantity = (y.empty() ? spec.y_label : y) + (spec.log_y ? " log" : "");
  return panel;
}

void drop_empty(draw::Figure& figure) {
  const std::size_t columns = figure.columns, rows = figure.panels.size() / columns;
  const auto column_has = [&](std::size_t c) {
    for (std::size_t r = 0; r < rows; ++r)
      if (has_something(figure.panels[r * columns + c])) return true;
    return false;
  };
  const auto row_has = [&](std::size_t r) {
    return std::any_of(figure.panels.begin() + static_cast<std::ptrdiff_t>(r * columns),
                       figure.panels.begin() + static_cast<std::ptrdiff_t>((r + 1) * columns), has_something);
  };
  std::vector<draw::Panel> kept;
  std::size_t kept_rows = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    if (!row_has(r)) continue;
    ++kept_rows;
    for (std::size_t c = 0; c < columns; ++c)
      if (column_has(c)) kept.push_back(figure.panels[r * columns + c]);
  }
  figure.panels = std::move(kept);
  figure.columns = kept_rows == 0 ? 0 : figure.panels.size() / kept_rows;
}

std::string note_of_seeds(const std::set<std::string>& seeds) {
  std::string text;
  for (const std::string& seed : seeds) text += (text.empty() ? "" : ", ") + seed;
  return text.empty() ? "" : "Of the first seed (" + text + ").";
}

}  // namespace variform::study
