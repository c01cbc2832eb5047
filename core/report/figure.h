#pragma once
// Figures of numbers, drawn by gnuplot: a description here becomes NAME.csv (the data), NAME.gp (the script, to be run
// again or changed by hand), NAME.svg and NAME.png. Colours are those of Okabe and Ito, which the colour-blind tell
// apart; marks and dashes differ too, so that a print without colours can be read.

#include <filesystem>
#include <string>
#include <vector>

namespace variform::report {

/// One line of a diagram, or one bar (a single y, no x).
struct Series {
  std::string label;
  std::vector<double> x, y;
  std::vector<double> error{};  ///< half lengths of the error bars of y; empty: none
  enum class Style {
    kLine,     ///< with marks and error bars
    kSingles,  ///< small open marks: single values beside their mean
  } style = Style::kLine;
  std::vector<std::string> names{};  ///< texts beside the points; empty: none
};

/// A tick of an axis, and what stands there.
struct Tick {
  double at = 0;
  std::string text;
};

/// One diagram; series of one label look alike in all panels of a figure.
struct Panel {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  bool log_x = false, log_y = false;
  std::vector<Tick> x_ticks{};  ///< of curves; empty: some are chosen
};

enum class FigureKind { kCurves, kBars };

struct Figure {
  FigureKind kind = FigureKind::kCurves;
  std::vector<Panel> panels;
};

/// Columns panel, series, x, y, error; numbers round-trip, what is not there is empty.
std::string csv_of(const Figure& figure);

/// Draws NAME.svg and NAME.png from NAME.csv when gnuplot runs it in their folder. Bars begin at 0; where the values
/// differ too little for that, marks with error bars stand for them.
std::string script_of(const Figure& figure, const std::string& name);

struct Drawn {
  std::filesystem::path svg, png, csv, script;
};

/// Writes the four files; `stem` is their path without a suffix. Throws Error (png_grid.h) for an empty figure, when a
/// file cannot be written, and when gnuplot is absent or fails (CSV and script are there then).
Drawn draw(const Figure& figure, const std::filesystem::path& stem);

}  // namespace variform::report
