#pragma once
// Draws figures by gnuplot. A description becomes NAME.csv (the data), NAME.gp (the script, to be run again or edited),
// NAME.svg and NAME.png. Colours are those of Okabe and Ito, which colour-blind people can distinguish; marks and
// dashes differ too, so that a print without colours can be read. No two lines of a figure look alike: there are
// sixteen colours, and more lines than that differ in dashes. Heat maps use viridis, whose lightness rises evenly.

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace variform::draw {

/// One line of a diagram, or one bar (a single y, no x).
struct Series {
  std::string label;
  std::vector<double> x, y;
  std::vector<double> error{};  ///< half lengths of the error bars of y; empty: none
  enum class Style {
    kLine,     ///< with marks and error bars
    kSingles,  ///< small open marks: single values beside their mean
    kPoints,   ///< of a cloud: small and translucent
    kCentres,  ///< larger marks with a rim: the centre of a cloud
    kSteps,    ///< y from each x to the next, filled down to 0; begins and ends with y = 0
    kRule,     ///< a vertical dashed line at x, whatever y
  } style = Style::kLine;
  std::vector<std::string> names{};  ///< texts beside the points; empty: none
};

/// A tick of an axis, and its label.
struct Tick {
  double at = 0;
  std::string text;
};

/// A square matrix whose values are shown as colours, the first row on top.
struct HeatMap {
  std::vector<std::vector<double>> values;
  std::vector<std::size_t> names;   ///< of rows and columns, which may be reordered
  std::vector<bool> active;         ///< inactive rows and columns are grey; empty: all are active
  std::vector<std::size_t> bounds;  ///< blocks: a line before these rows and columns
};

/// A PNG file, shown pixel by pixel.
struct Picture {
  std::filesystem::path file;
  int width = 0, height = 0;
};

/// One diagram; series with the same label look alike in all panels of a figure.
struct Panel {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  bool log_x = false, log_y = false;
  std::string x_quantity{}, y_quantity{};  ///< panels with the same quantity (not empty) share an axis
  std::vector<Tick> x_ticks{};             ///< of curves; empty: chosen automatically
  bool identity = false;                   ///< y = x, on axes of one range
  std::string row{};                       ///< of grids: the text left of the row
  std::optional<HeatMap> map{};
  std::optional<Picture> picture{};
};

enum class FigureKind { kCurves, kBars, kHeatMaps, kPictures };

struct Figure {
  FigureKind kind = FigureKind::kCurves;
  std::vector<Panel> panels;  ///< of grids row by row, with empty ones in the gaps
  std::size_t columns = 0;    ///< of a grid: heat maps and pictures
  std::optional<std::pair<double, double>>
      range{};                 ///< of the colours; nothing: from the least to the greatest value
  std::string scale_label{};   ///< beside the colours
  std::string legend_title{};  ///< of curves and bars: what all of them are; forces a legend
};

/// Returns columns panel, series, x, y, error; of heat maps panel, row, x, y, value, active, name_x, name_y; of
/// pictures panel, row, file. Numbers round-trip; missing ones are empty.
std::string csv_of(const Figure& figure, const std::string& name = "figure");

/// Returns a script that draws NAME.svg and NAME.png from NAME.csv when gnuplot runs it in their folder. Bars begin at
/// 0; where the values differ too little for that, marks with error bars replace them. Pictures are NAME-1.png,
/// NAME-2.png, ….
std::string script_of(const Figure& figure, const std::string& name);

struct Drawn {
  std::filesystem::path svg, png, csv, script;
};

/// Writes the four files, and copies of pictures; `stem` is their path without a suffix. Throws base::Error for an
/// empty figure, for one with more bars, histograms or clouds than there are colours, when a file cannot be written,
/// and when gnuplot is absent or fails (CSV and script exist then).
Drawn draw(const Figure& figure, const std::filesystem::path& stem);

}  // namespace variform::draw
