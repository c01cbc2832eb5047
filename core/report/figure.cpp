// See figure.h.

#include "report/figure.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

#include "report/png_grid.h"

namespace variform::report {
namespace fs = std::filesystem;
namespace {

constexpr std::array kColours{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
constexpr std::array kMarks{7, 5, 9, 13, 11, 6, 4, 8};
constexpr int kPanelWidth = 400, kPanelHeight = 300, kLegendLine = 24, kMostColumns = 3;
constexpr double kCharacter = 7.2;  // width in pixels, on average

std::string number(double value) {
  if (!std::isfinite(value)) return "NaN";
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string field(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c == '\n' ? ' ' : c);
  return quoted + "\"";
}

// A text of the script: in single quotes nothing but the quote itself is special.
std::string quoted(const std::string& text) {
  std::string quoted = "'";
  for (char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c == '\n' ? ' ' : c);
  return quoted + "'";
}

int width_of(const std::string& text) {
  const auto characters = std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return static_cast<int>(kCharacter * static_cast<double>(characters));
}

std::vector<std::string> labels_of(const Figure& figure) {
  std::vector<std::string> labels;
  for (const Panel& panel : figure.panels)
    for (const Series& series : panel.series)
      if (std::find(labels.begin(), labels.end(), series.label) == labels.end())
        labels.push_back(series.label);
  return labels;
}

// Where things are on the page, in pixels from the top left.
struct Layout {
  int columns, rows, width, height, legend_columns = 0, legend = 0;  // legend: its height
  explicit Layout(const Figure& figure, const std::vector<std::string>& labels) {
    const int panels = static_cast<int>(figure.panels.size()), count = static_cast<int>(labels.size());
    columns = std::min(panels, kMostColumns);
    rows = (panels + columns - 1) / columns;
    int widest = 0;
    for (const std::string& label : labels) widest = std::max(widest, width_of(label));
    const bool bars = figure.kind == FigureKind::kBars;
    width = columns * kPanelWidth;
    // Bars that have room for their names need no legend.
    if (count > 1 && !(bars && (widest + 12) * count < kPanelWidth - 80)) {
      width = std::max(width, widest + 100);
      legend_columns = std::clamp(width / (widest + 90), 1, count);
      legend = 12 + kLegendLine * ((count + legend_columns - 1) / legend_columns);
    }
    height = rows * kPanelHeight + legend;
  }
};

class Script {
 public:
  Script(const Figure& figure, std::string name)
      : figure_(figure), name_(std::move(name)), labels_(labels_of(figure)), layout_(figure, labels_) {}

  std::string text() {
    head();
    text_ += "do for [format in 'svg png'] {\n";
    terminals();
    text_ += "  set output " + quoted(name_ + ".") + ".format\n  set multiplot\n";
    for (std::size_t p = 0; p < figure_.panels.size(); ++p) panel(p);
    if (layout_.legend > 0) legend();
    return text_ + "  unset multiplot\n  unset output\n}\n";
  }

 private:
  void head() {
    text_ = "# Draws " + name_ + ".svg and " + name_ + ".png from " + name_ +
            ".csv. In their folder: gnuplot " + name_ +
            ".gp\n"
            "set encoding utf8\n"
            "set datafile separator comma\n"
            "set datafile missing NaN\n"
            "set style fill solid 0.85 noborder\n"
            "set boxwidth 0.7\n";
    for (std::size_t i = 0; i < labels_.size(); ++i)
      text_ += "set style line " + std::to_string(i + 1) + " lw 2 lc rgb '" + kColours[i % kColours.size()] +
               "' pt " + std::to_string(kMarks[i % kMarks.size()]) + " ps 0.8 dt " +
               std::to_string(1 + i / kColours.size() % 4) + "\n";
  }

  void terminals() {
    const std::string size = std::to_string(layout_.width) + "," + std::to_string(layout_.height);
    const std::string twice = std::to_string(2 * layout_.width) + "," + std::to_string(2 * layout_.height);
    text_ += "  if (format eq 'svg') { set terminal svg size " + size +
             " noenhanced font 'Arial,13' background 'white' }\n"
             "  else { set terminal pngcairo size " +
             twice + " noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }\n";
  }

  std::string place(double x, double y, double width, double height) const {
    const double w = layout_.width, h = layout_.height;
    return "  set origin " + number(x / w) + ", " + number(1 - (y + height) / h) + "; set size " +
           number(width / w) + ", " + number(height / h) + "\n";
  }

  void panel(std::size_t p) {
    const Panel& panel = figure_.panels[p];
    const int columns = layout_.columns, row = static_cast<int>(p) / columns,
              column = static_cast<int>(p) % columns;
    const double wide = static_cast<double>(layout_.width) / columns;
    text_ += place(column * wide, row * kPanelHeight, wide, kPanelHeight);
    text_ += "  set title " + quoted(panel.title) + "\n  set xlabel " + quoted(panel.x_label) +
             "\n  set ylabel " + quoted(panel.y_label) +
             "\n  unset key\n  set border 3 lc rgb '#444444'\n  set grid ytics lc rgb '#dddddd' lt 1 lw 1\n"
             "  set ytics nomirror out autofreq\n";
    if (figure_.kind == FigureKind::kCurves) curves(panel);
    else bars(panel);
  }

  // A round number that puts three to six ticks on the axis: gnuplot's own choice lets long numbers run together.
  static double tick_step(const Panel& panel) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const Series& series : panel.series)
      for (double x : series.x)
        if (std::isfinite(x)) low = std::min(low, x), high = std::max(high, x);
    if (!(high > low)) return 1;
    const double least = (high - low) / 5, power = std::pow(10, std::floor(std::log10(least)));
    for (double factor : {1.0, 2.0, 5.0})
      if (factor * power >= least) return factor * power;
    return 10 * power;
  }

  static std::string x_tics(const Panel& panel) {
    if (panel.x_ticks.empty()) return panel.log_x ? "autofreq" : number(tick_step(panel));
    std::string ticks;
    for (const Tick& tick : panel.x_ticks)
      ticks += (ticks.empty() ? "" : ", ") + quoted(tick.text) + " " + number(tick.at);
    return "(" + ticks + ")";
  }

  void curves(const Panel& panel) {
    text_ +=
        std::string(panel.log_x ? "  set logscale x\n" : "  unset logscale x\n") +
        (panel.log_y ? "  set logscale y\n" : "  unset logscale y\n") + "  set xtics nomirror out " +
        x_tics(panel) +
        "\n  set autoscale\n  set autoscale xfix\n  set offsets graph 0.03, graph 0.03, 0, 0\n  plot \\\n";
    for (std::size_t s = 0; s < panel.series.size(); ++s) {
      const Series& series = panel.series[s];
      const bool errors = !series.error.empty();
      text_ += "    " + next_rows(series) + " using 3:4" + (errors ? ":5" : "") +
               (series.style == Series::Style::kSingles
                    ? " with points ls " + style(series.label) + " ps 0.35 pt 6"
                    : (errors ? " with yerrorlines ls " : " with linespoints ls ") + style(series.label) +
                          " pointnumber 10") +
               (s + 1 < panel.series.size() ? ", \\\n" : "\n");
    }
  }

  // A bar's length means something from 0 on only.
  static bool needs_marks(const Panel& panel) {
    double low = 0, high = 0;
    bool first = true;
    for (const Series& series : panel.series)
      for (double y : series.y) {
        low = first ? y : std::min(low, y);
        high = first ? y : std::max(high, y);
        first = false;
      }
    return panel.series.size() > 1 && low * high > 0 &&
           high - low < 0.2 * std::max(std::abs(low), std::abs(high));
  }

  void bars(const Panel& panel) {
    const std::size_t count = panel.series.size();
    const bool marks = needs_marks(panel);
    std::string names;
    if (layout_.legend == 0)
      for (std::size_t s = 0; s < count; ++s)
        names += (s ? ", " : "") + quoted(panel.series[s].label) + " " + std::to_string(s + 1);
    text_ += "  set xrange [0.4:" + number(static_cast<double>(count) + 0.6) + "]\n" +
             (names.empty() ? "  unset xtics\n" : "  set xtics nomirror (" + names + ") scale 0\n") +
             "  set autoscale y\n" +
             (marks ? "  set errorbars default\n"
                    : "  set yrange [*<0:0<*]\n  set errorbars 2 lc rgb '#222222' lw 1.5\n") +
             "  plot \\\n";
    for (std::size_t s = 0; s < count; ++s) {
      const Series& series = panel.series[s];
      const bool has_error = !series.error.empty() && std::isfinite(series.error[0]);
      const char* with =
          marks ? (has_error ? "yerrorbars" : "points") : (has_error ? "boxerrorbars" : "boxes");
      text_ += "    " + next_rows(series) + " using (" + std::to_string(s + 1) + "):4" +
               (has_error ? ":5" : "") + " with " + with + " ls " + style(series.label) +
               (marks ? " ps 1.4" : "") + (s + 1 < count ? ", \\\n" : "\n");
    }
  }

  // The next series' rows of the CSV, by number: gnuplot would cut a quoted name at its comma.
  std::string next_rows(const Series& series) {
    const std::size_t first = row_;
    row_ += series.y.size();
    return quoted(name_ + ".csv") + " skip 1 every ::" + std::to_string(first) +
           "::" + std::to_string(row_ - 1);
  }
  std::string style(const std::string& label) const {
    return std::to_string(std::find(labels_.begin(), labels_.end(), label) - labels_.begin() + 1);
  }

  void legend() {
    text_ += place(0, layout_.rows * kPanelHeight, layout_.width, layout_.legend);
    text_ +=
        "  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid\n"
        "  set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0\n"
        "  set xrange [0:1]; set yrange [0:1]\n"
        "  set key center center horizontal Left reverse maxcols " +
        std::to_string(layout_.legend_columns) + " samplen 3\n  plot \\\n";
    for (std::size_t i = 0; i < labels_.size(); ++i)
      text_ += "    NaN with " + std::string(figure_.kind == FigureKind::kBars ? "boxes" : "linespoints") +
               " ls " + std::to_string(i + 1) + " title " + quoted(labels_[i]) +
               (i + 1 < labels_.size() ? ", \\\n" : "\n");
    text_ += "  unset lmargin; unset rmargin; unset tmargin; unset bmargin\n";
  }

  const Figure& figure_;
  const std::string name_;
  const std::vector<std::string> labels_;
  const Layout layout_;
  std::size_t row_ = 0;  // rows of the CSV that the panels so far have drawn
  std::string text_;
};

void write(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) throw Error("the file " + path.string() + " could not be written.");
}

std::string in_shell(const std::string& text) {
  std::string quoted = "'";
  for (char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// What the command printed, and how it ended.
std::pair<std::string, int> run(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) throw Error("no process could be started for gnuplot.");
  std::string text;
  for (int c; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  const int status = ::pclose(pipe);
  return {text, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

}  // namespace

std::string csv_of(const Figure& figure) {
  std::string text = "panel,series,x,y,error\n";
  for (const Panel& panel : figure.panels)
    for (const Series& series : panel.series)
      for (std::size_t i = 0; i < series.y.size(); ++i)
        text += field(panel.title) + "," + field(series.label) + "," +
                (series.x.empty() ? "" : number(series.x[i])) + "," + number(series.y[i]) + "," +
                (series.error.empty() ? "" : number(series.error[i])) + "\n";
  return text;
}

std::string script_of(const Figure& figure, const std::string& name) { return Script(figure, name).text(); }

Drawn draw(const Figure& figure, const fs::path& stem) {
  if (labels_of(figure).empty()) throw Error("there is nothing to draw.");
  const auto with = [&](const char* suffix) { return fs::path(stem.string() + suffix); };
  const Drawn drawn{with(".svg"), with(".png"), with(".csv"), with(".gp")};
  if (stem.has_parent_path()) fs::create_directories(stem.parent_path());
  write(drawn.csv, csv_of(figure));
  write(drawn.script, script_of(figure, stem.filename().string()));
  const fs::path folder = stem.has_parent_path() ? stem.parent_path() : fs::path(".");
  const auto [said, code] = run("cd " + in_shell(folder.string()) + " && exec gnuplot " +
                                in_shell(stem.filename().string() + ".gp") + " 2>&1");
  if (code == 127)
    throw Error(
        "figures are drawn by gnuplot, which is not installed: install the package gnuplot-nox, then run: "
        "gnuplot " +
        drawn.script.filename().string() + " in " + folder.string() + ".");
  if (code != 0 || !fs::exists(drawn.svg) || !fs::exists(drawn.png))
    throw Error("gnuplot could not draw " + drawn.script.string() + ": " + said);
  return drawn;
}

}  // namespace variform::report
