#pragma once
// Figures, drawn by gnuplot: a description here becomes NAME.csv (the data), NAME.gp (the script, to be run again or
// changed by hand), NAME.svg and NAME.png. Colours are those of Okabe and Ito, which the colour-blind tell apart; marks
// and dashes differ too, so that a print without colours can be read. No two lines of a figure look alike: there are
// sixteen colours, and more lines than that differ in dashes. Values as colours are viridis, which rises in
// lightness evenly.

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
    kCentres,  ///< larger marks with a rim: what a cloud's points have in the middle
    kSteps,    ///< y from each x to the next, filled down to 0; begins and ends with y = 0
    kRule,     ///< a vertical dashed line at x, whatever y
  } style = Style::kLine;
  std::vector<std::string> names{};  ///< texts beside the points; empty: none
};

/// A tick of an axis, and what stands there.
struct Tick {
  double at = 0;
  std::string text;
};

/// A square matrix whose values are shown as colours, the first row on top.
struct HeatMap {
  std::vector<std::vector<double>> values;
  std::vector<std::size_t> names;   ///< of rows and columns: they may be in another order than counted
  std::vector<bool> active;         ///< the rows and columns of others are grey; empty: all
  std::vector<std::size_t> bounds;  ///< a line before these rows and columns: blocks
};

/// A PNG file, shown pixel by pixel.
struct Picture {
  std::filesystem::path file;
  int width = 0, height = 0;
};

/// One diagram; series of one label look alike in all panels of a figure.
struct Panel {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  bool log_x = false, log_y = false;
  std::string x_quantity{}, y_quantity{};  ///< panels that show the same one (not empty) have the same axis
  std::vector<Tick> x_ticks{};             ///< of curves; empty: some are chosen
  bool identity = false;                   ///< y = x, on axes of one range
  std::string row{};                       ///< of grids: what stands left of the row
  std::optional<HeatMap> map{};
  std::optional<Picture> picture{};
};

enum class FigureKind { kCurves, kBars, kHeatMaps, kPictures };

struct Figure {
  FigureKind kind = FigureKind::kCurves;
  std::vector<Panel> panels;  ///< of grids row by row, empty ones where there is nothing
  std::size_t columns = 0;    ///< of a grid: heat maps and pictures
  std::optional<std::pair<double, double>>
      range{};                 ///< of the colours; nothing: from least to greatest value
  std::string scale_label{};   ///< at the colours
  std::string legend_title{};  ///< of curves and bars: what all of them are; there is a legend then
};

/// Columns panel, series, x, y, error; of heat maps panel, row, x, y, value, active, name_x, name_y; of pictures panel,
/// row, file. Numbers round-trip, what is not there is empty.
std::string csv_of(const Figure& figure, const std::string& name = "figure");

/// Draws NAME.svg and NAME.png from NAME.csv when gnuplot runs it in their folder. Bars begin at 0; where the values
/// differ too little for that, marks with error bars stand for them. Pictures are NAME-1.png, NAME-2.png, ….
std::string script_of(const Figure& figure, const std::string& name);

struct Drawn {
  std::filesystem::path svg, png, csv, script;
};

/// Writes the four files, and copies of pictures; `stem` is their path without a suffix. Throws base::Error for an
/// empty figure, for one with more bars, histograms or clouds than there are colours, when a file cannot be written, and
/// when gnuplot is absent or fails (CSV and script are there then).
Drawn draw(const Figure& figure, const std::filesystem::path& stem);

}  // namespace variform::draw
