// Scripts of curves and bars: see gnuplot.h.

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/quote.h"
#include "draw/gnuplot.h"
#include "draw/png_grid.h"

namespace variform::draw::gnuplot {
namespace {

using Style = Series::Style;

constexpr std::array kMarks{7, 5, 9, 13, 11, 6, 4, 8};
constexpr int kLegendLine = 24, kMostColumns = 3;
constexpr std::size_t kDashes = 4;

std::vector<std::string> labels_of(const Figure& figure) {
  std::vector<std::string> labels;
  for (const Panel& panel : figure.panels)
    for (const Series& series : panel.series)
      if (std::find(labels.begin(), labels.end(), series.label) == labels.end())
        labels.push_back(series.label);
  return labels;
}

// The positions of panels and legend on the page.
struct Layout {
  int panel_width = 400, panel_height = 300, columns, rows, width, height;
  int legend_columns = 0, legend = 0;  // legend: its height
  explicit Layout(const Figure& figure, const std::vector<std::string>& labels) {
    const int panels = static_cast<int>(figure.panels.size()), count = static_cast<int>(labels.size());
    if (panels == 1 && figure.kind == FigureKind::kCurves) panel_width = 540, panel_height = 380;
    columns = std::min(panels, kMostColumns);
    rows = (panels + columns - 1) / columns;
    int widest = 0;
    for (const std::string& label : labels) widest = std::max(widest, width_of(label));
    const bool bars = figure.kind == FigureKind::kBars;
    width = columns * panel_width;
    const bool titled = !figure.legend_title.empty();
    // Bars with room for their names need no legend.
    if (titled || (count > 1 && !(bars && (widest + 12) * count < panel_width - 80))) {
      width = std::max(width, std::max(widest + 100, width_of(figure.legend_title) + 40));
      legend_columns = std::clamp(width / (widest + 90), 1, count);
      legend = 12 + kLegendLine * ((count + legend_columns - 1) / legend_columns + (titled ? 1 : 0));
    }
    height = rows * panel_height + legend;
  }
};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void add(double value) {
    if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  }
};

// Returns a round number that puts three to six ticks on an axis: gnuplot's own choice lets long numbers overlap.
double tick_step(const Range& range) {
  if (!(range.high > range.low)) return 1;
  const double least = (range.high - range.low) / 5, power = std::pow(10, std::floor(std::log10(least)));
  for (double factor : {1.0, 2.0, 5.0})
    if (factor * power >= least) return factor * power;
  return 10 * power;
}

Range x_range(const Panel& panel) {
  Range range;
  for (const Series& series : panel.series)
    for (double x : series.x) range.add(x);
  return range;
}

// Removes texts that would overlap others, first those between the ends; the ticks stay.
void thin_out(std::vector<Tick>& ticks, bool log, double place) {
  const auto scaled = [log](double at) { return log ? std::log(at) : at; };
  std::sort(ticks.begin(), ticks.end(), [](const Tick& a, const Tick& b) { return a.at < b.at; });
  const double low = scaled(ticks.front().at), high = scaled(ticks.back().at);
  if (!(high > low)) return;
  const auto left = [&](const Tick& tick) {
    return place * (scaled(tick.at) - low) / (high - low) - 0.6 * width_of(tick.text);
  };
  const auto right = [&](const Tick& tick) { return left(tick) + 1.2 * width_of(tick.text) + 4; };
  double taken = right(ticks.front());
  for (std::size_t i = 1; i + 1 < ticks.size(); ++i)
    if (left(ticks[i]) < taken || right(ticks[i]) > left(ticks.back())) ticks[i].text.clear();
    else taken = right(ticks[i]);
}

// Tick labels: words side by side, broken into lines to fit; numbers at their values, as far as there is room.
struct XTics {
  std::string text;
  std::size_t lines = 1;

  XTics(const Panel& panel, int panel_width) {
    if (panel.x_ticks.empty()) {
      text = panel.log_x ? "autofreq" : number(tick_step(x_range(panel)));
      return;
    }
    const double place = panel_width - 90, each = 0.9 * place / static_cast<double>(panel.x_ticks.size());
    std::vector<Tick> ticks = panel.x_ticks;
    const bool words = !panel.log_x;
    if (!words) thin_out(ticks, panel.log_x, place);
    for (const Tick& tick : ticks) {
      const auto broken = words ? wrapped(tick.text, each) : std::vector<std::string>{tick.text};
      lines = std::max(lines, broken.size());
      text += (text.empty() ? "" : ", ") + base::gnuplot_tick(broken) + " " + number(tick.at);
    }
    text = "(" + text + ")" + (words ? " font ',11'" : "");
  }
};

// Whether marks must replace bars, whose length means something only if they begin at 0.
bool needs_marks(const Panel& panel) {
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

class Script {
 public:
  Script(const Figure& figure, const std::string& name)
      : figure_(figure), name_(name), labels_(labels_of(figure)), layout_(figure, labels_) {
    require_different_looks();
  }

  std::string text() {
    for (std::size_t p = 0; p < figure_.panels.size(); ++p) panel(p);
    if (layout_.legend > 0) legend();
    return page(name_, layout_.width, layout_.height, head(), text_);
  }

 private:
  // Refuses more series than can be told apart: lines differ in colour or dashes, everything else in colour.
  void require_different_looks() const {
    const auto is_line = [](const Series& series) {
      return series.style == Style::kLine || series.style == Style::kSingles;
    };
    bool lines = figure_.kind == FigureKind::kCurves;
    for (const Panel& panel : figure_.panels)
      lines = lines && std::all_of(panel.series.begin(), panel.series.end(), is_line);
    const std::size_t most = kColours.size() * (lines ? kDashes : 1);
    if (labels_.size() > most)
      throw base::Error(
          fmt::format("{} series in one figure, of which {} can be told apart: show fewer, or more panels.",
                      labels_.size(), most));
  }

  std::string head() const {
    std::string head =
        "set style fill solid 0.85 noborder\n"
        "set boxwidth 0.7\n";
    for (std::size_t i = 0; i < labels_.size(); ++i)
      head += fmt::format("set style line {} lw 2 lc rgb '{}' pt {} ps 0.8 dt {}\n", i + 1, colour(i),
                          kMarks[i % kMarks.size()], 1 + i / kColours.size());
    return head;
  }

  static std::string colour(std::size_t label) { return kColours[label % kColours.size()]; }
  // The same colour, but translucent: 0 opaque, 255 invisible.
  static std::string colour(std::size_t label, const char* transparency) {
    return "#" + std::string(transparency) + colour(label).substr(1);
  }
  std::size_t index_of(const std::string& label) const {
    return static_cast<std::size_t>(std::find(labels_.begin(), labels_.end(), label) - labels_.begin());
  }
  std::string style(const std::string& label) const { return std::to_string(index_of(label) + 1); }

  std::string place(double x, double y, double width, double height) const {
    const double w = layout_.width, h = layout_.height;
    return "  set origin " + share(x, w) + ", " + number(1 - (y + height) / h) + "; set size " +
           share(width, w) + ", " + share(height, h) + "\n";
  }

  void panel(std::size_t p) {
    const Panel& panel = figure_.panels[p];
    const int columns = layout_.columns, row = static_cast<int>(p) / columns,
              column = static_cast<int>(p) % columns;
    const double wide = static_cast<double>(layout_.width) / columns;
    text_ += place(column * wide, row * layout_.panel_height, wide, layout_.panel_height);
    text_ += "  set title " + base::gnuplot_text(panel.title) + title_font(panel.title, wide) +
             "\n  set xlabel " + base::gnuplot_text(panel.x_label) + title_font(panel.x_label, wide) +
             " offset 0, 0\n  unset bmargin\n  set ylabel " + base::gnuplot_text(panel.y_label) +
             title_font(panel.y_label, layout_.panel_height) +
             "\n  unset key\n  unset arrow\n  unset label\n  set border 3 lc rgb '#444444'\n"
             "  set grid ytics lc rgb '#dddddd' lt 1 lw 1\n  set ytics nomirror out autofreq\n";
    if (figure_.kind == FigureKind::kBars) bars(panel);
    else curves(panel);
  }

  static std::string title_font(const std::string& text, double place) {
    const std::string font = font_for(text, place - 50);
    return font.empty() ? " font ',13'" : font;
  }

  void curves(const Panel& panel) {
    const bool counts = std::any_of(panel.series.begin(), panel.series.end(),
                                    [](const Series& s) { return s.style == Style::kSteps; });
    const XTics tics(panel, layout_.panel_width);
    text_ += std::string(panel.log_x ? "  set logscale x\n" : "  unset logscale x\n") +
             (panel.log_y ? "  set logscale y\n" : "  unset logscale y\n") + "  set xtics nomirror out " +
             tics.text + "\n  set autoscale\n  set autoscale xfix\n  set offsets graph 0.03, graph 0.03, " +
             (counts ? "graph 0.06, 0\n" : "0, 0\n");
    // gnuplot makes no room for lines after the first.
    if (tics.lines > 1)
      text_ += "  set xlabel offset 0, " + number(-0.8 * static_cast<double>(tics.lines - 1)) +
               "\n  set bmargin " + number(3.2 + 0.9 * static_cast<double>(tics.lines - 1)) + "\n";
    share_axes(panel);
    if (counts) bins(panel);
    if (panel.identity) identity(panel);
    for (const Series& series : panel.series) decorate(series);
    std::string plots;
    for (const Series& series : panel.series)
      if (const std::string plot = plot_of(series); !plot.empty())
        plots += (plots.empty() ? "    " : ", \\\n    ") + plot;
    text_ += "  plot \\\n" + plots + "\n";
  }

  // Returns the range of an axis over all panels that show the same quantity; nothing if this is the only one.
  std::optional<Range> shared(const std::string Panel::*quantity, const std::string& of, bool x) const {
    if (of.empty()) return {};
    Range range;
    std::size_t panels = 0;
    for (const Panel& panel : figure_.panels) {
      if (panel.*quantity != of) continue;
      ++panels;
      for (const Series& series : panel.series)
        for (std::size_t i = 0; i < (x ? series.x.size() : series.y.size()); ++i) {
          const double at = x ? series.x[i] : series.y[i];
          const double error =
              x || i >= series.error.size() || !std::isfinite(series.error[i]) ? 0 : series.error[i];
          const bool log = x ? panel.log_x : panel.log_y;
          for (const double end : {at - error, at, at + error})
            if (!log || end > 0) range.add(end);
        }
    }
    if (panels < 2 || !(range.low < range.high)) return {};
    return range;
  }

  // Draws what is compared between panels on one scale.
  void share_axes(const Panel& panel) {
    if (const auto y = shared(&Panel::y_quantity, panel.y_quantity, false))
      text_ += "  set yrange " + with_room(*y, panel.log_y, 0.04) + "\n";
    const auto x = panel.x_ticks.empty() ? shared(&Panel::x_quantity, panel.x_quantity, true) : std::nullopt;
    if (!x) return;
    text_ += "  set xrange " + with_room(*x, panel.log_x, 0.03) + "\n  set offsets 0, 0, 0, 0\n";
    if (!panel.log_x) text_ += "  set xtics nomirror out " + number(tick_step(*x)) + "\n";
  }

  static std::string with_room(const Range& range, bool log, double share) {
    const double room = log ? std::pow(range.high / range.low, share) : share * (range.high - range.low);
    return "[" + number(log ? range.low / room : range.low - room) + ":" +
           number(log ? range.high * room : range.high + room) + "]";
  }

  // The axis of a histogram ends with its bins; its counts are whole numbers.
  void bins(const Panel& panel) {
    Range range, counts;
    counts.add(0);
    beside_ = 0;
    for (const Series& series : panel.series) {
      if (series.style != Style::kSteps) continue;
      for (double x : series.x) range.add(x);
      for (double y : series.y) counts.add(y);
      ++beside_;
    }
    place_ = 0;
    if (const auto all = shared(&Panel::y_quantity, panel.y_quantity, false)) {
      counts.add(all->high);
      text_ += "  set yrange [0:" + number(1.06 * all->high) + "]\n";
    }
    text_ += "  set xrange [" + number(range.low) + ":" + number(range.high) +
             "]\n  set ytics nomirror out " + number(std::max(1.0, tick_step(counts))) + "\n";
  }

  // Draws y = x across a square: both axes span all values.
  void identity(const Panel& panel) {
    Range range;
    for (const Panel& other : figure_.panels) {
      if (&other != &panel && (other.x_quantity.empty() || other.x_quantity != panel.x_quantity)) continue;
      for (const Series& series : other.series)
        for (const auto* values : {&series.x, &series.y})
          for (double value : *values)
            if (value > 0 || !panel.log_x) range.add(value);
    }
    if (!(range.low < range.high)) return;
    const double room =
        panel.log_x ? std::pow(range.high / range.low, 0.04) : 0.04 * (range.high - range.low);
    const std::string low = number(panel.log_x ? range.low / room : range.low - room),
                      high = number(panel.log_x ? range.high * room : range.high + room);
    text_ += "  set xrange [" + low + ":" + high + "]; set yrange [" + low + ":" + high +
             "]; set offsets 0, 0, 0, 0\n  set arrow from " + low + ", " + low + " to " + high + ", " + high +
             " nohead front lw 1.5 lc rgb '#222222' dt 2\n";
  }

  // Draws rules, and texts beside points.
  void decorate(const Series& series) {
    const std::size_t label = index_of(series.label);
    if (series.style == Style::kRule)
      for (double x : series.x)
        text_ +=
            fmt::format("  set arrow from {}, graph 0 to {}, graph 1 nohead front lw 2 lc rgb '{}' dt {}\n",
                        number(x), number(x), colour(label), 2 + label % 3);
    for (std::size_t i = 0; i < series.names.size(); ++i)
      if (!series.names[i].empty() && std::isfinite(series.x[i]) && std::isfinite(series.y[i]))
        text_ += "  set label " + base::gnuplot_text(series.names[i]) + " at " + number(series.x[i]) + ", " +
                 number(series.y[i]) + " offset 0.5, 0.6 font ',10' tc rgb '" + colour(label) + "' front\n";
  }

  std::string plot_of(const Series& series) {
    const std::string rows = next_rows(series), line = style(series.label);
    const std::size_t label = index_of(series.label);
    const bool errors = !series.error.empty();
    switch (series.style) {
      case Style::kRule: return {};
      case Style::kSingles: return rows + " using 3:4 with points ls " + line + " ps 0.35 pt 6";
      case Style::kPoints:
        return fmt::format("{} using 3:4 with points pt {} ps 0.3 lc rgb '{}'", rows,
                           kMarks[label % kMarks.size()], colour(label, "80"));
      case Style::kCentres: {
        const std::string mark = " pt " + std::to_string(kMarks[label % kMarks.size()]);
        return rows + " using 3:4 with points" + mark + " ps 1.3 lc rgb 'white', '' skip 1 " + last_rows_ +
               " using 3:4 with points" + mark + " ps 0.9 lc rgb '" + colour(label) + "'";
      }
      case Style::kSteps: return rows + steps(series, label);
      default: {
        const std::string drawn = " using 3:4 with linespoints ls " + line + " pointnumber 10";
        if (!errors) return rows + drawn;
        // Bars separate from the line, since a point without one stands on it too; yerrorbars would erase a disc around
        // each point, whatever is below it.
        return rows + " using 3:4:(0):5 with xyerrorbars ls " + line + " pt 0, '' skip 1 " + last_rows_ +
               drawn;
      }
    }
  }

  // A single histogram of a panel is an outline; several stand side by side in each bin.
  std::string steps(const Series& series, std::size_t label) {
    const std::string lines = " lc rgb '" + colour(label) + "'";
    if (beside_ == 1)
      return " using 3:4 with fillsteps fs solid 1 noborder lc rgb '" + colour(label, "C0") +
             "', '' skip 1 " + last_rows_ + " using 3:4 with steps lw 2" + lines;
    const double bin = series.x[2] - series.x[1], each = 0.88 * bin / static_cast<double>(beside_);
    const double middle = 0.06 * bin + (static_cast<double>(place_++) + 0.5) * each;
    return " using ($3 + " + number(middle) + "):4:(" + number(each) + ") with boxes fs solid 0.9 noborder" +
           lines;
  }

  void bars(const Panel& panel) {
    const std::size_t count = panel.series.size();
    const bool marks = std::all_of(figure_.panels.begin(), figure_.panels.end(), [&](const Panel& other) {
      return (&other != &panel && (other.y_quantity.empty() || other.y_quantity != panel.y_quantity)) ||
             needs_marks(other);
    });
    std::string names;
    if (layout_.legend == 0)
      for (std::size_t s = 0; s < count; ++s)
        names += fmt::format("{}{} {}", s ? ", " : "", base::gnuplot_tick({panel.series[s].label}), s + 1);
    text_ += "  set xrange [0.4:" + number(static_cast<double>(count) + 0.6) + "]\n" +
             (names.empty() ? "  unset xtics\n" : "  set xtics nomirror (" + names + ") scale 0\n") +
             "  set autoscale y\n" +
             (marks ? "  set errorbars default\n"
                    : "  set yrange [*<0:0<*]\n  set errorbars 2 lc rgb '#222222' lw 1.5\n");
    if (auto all = shared(&Panel::y_quantity, panel.y_quantity, false)) {
      const double room = 0.04 * (all->high - all->low);
      if (!marks) all->add(0);
      text_ += "  set yrange [" + number(!marks && all->low == 0 ? 0 : all->low - room) + ":" +
               number(!marks && all->high == 0 ? 0 : all->high + room) + "]\n";
    }
    text_ += "  plot \\\n";
    for (std::size_t s = 0; s < count; ++s) {
      const Series& series = panel.series[s];
      const bool has_error = !series.error.empty() && std::isfinite(series.error[0]);
      const char* with =
          marks ? (has_error ? "yerrorbars" : "points") : (has_error ? "boxerrorbars" : "boxes");
      text_ += fmt::format("    {} using ({}):4{} with {} ls {}{}{}", next_rows(series), s + 1,
                           has_error ? ":5" : "", with, style(series.label), marks ? " ps 1.4" : "",
                           s + 1 < count ? ", \\\n" : "\n");
    }
  }

  // Selects the next series' rows of the CSV by number: gnuplot would cut a quoted name at its comma.
  std::string next_rows(const Series& series) {
    const std::size_t first = row_;
    row_ += series.y.size();
    last_rows_ = fmt::format("every ::{}::{}", first, row_ - 1);
    return base::gnuplot_file(name_ + ".csv") + " skip 1 " + last_rows_;
  }

  void legend() {
    text_ += place(0, layout_.rows * layout_.panel_height, layout_.width, layout_.legend);
    text_ += fmt::format(
        "  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; "
        "unset arrow; unset label\n"
        "  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0\n"
        "  set xrange [0:1]; set yrange [0:1]\n"
        "  set key center center horizontal Left reverse maxcols {} samplen 3 {}\n"
        "  plot \\\n",
        layout_.legend_columns,
        figure_.legend_title.empty() ? "notitle" : "title " + base::gnuplot_text(figure_.legend_title));
    for (std::size_t i = 0; i < labels_.size(); ++i)
      text_ += "    NaN with " + sample_of(labels_[i]) + " title " + base::gnuplot_text(labels_[i]) +
               (i + 1 < labels_.size() ? ", \\\n" : "\n");
    text_ += "  unset lmargin; unset rmargin; unset tmargin; unset bmargin\n";
  }

  // Returns how a label's series are drawn.
  std::string sample_of(const std::string& label) const {
    if (figure_.kind == FigureKind::kBars) return "boxes ls " + style(label);
    Style found = Style::kLine;
    for (const Panel& panel : figure_.panels)
      for (const Series& series : panel.series)
        if (series.label == label && series.style != Style::kSingles) found = series.style;
    const std::string rgb = " lc rgb '" + colour(index_of(label)) + "'";
    if (found == Style::kPoints || found == Style::kCentres) return "points ls " + style(label) + " ps 0.9";
    if (found == Style::kSteps || found == Style::kRule) return "boxes fs solid 0.9 noborder" + rgb;
    return "linespoints ls " + style(label);
  }

  const Figure& figure_;
  const std::string name_;
  const std::vector<std::string> labels_;
  const Layout layout_;
  std::size_t row_ = 0;                 // rows of the CSV drawn so far
  std::size_t beside_ = 0, place_ = 0;  // histograms of the current panel, and how many are drawn
  std::string last_rows_, text_;
};

}  // namespace

std::string diagrams(const Figure& figure, const std::string& name) { return Script(figure, name).text(); }

}  // namespace variform::draw::gnuplot
