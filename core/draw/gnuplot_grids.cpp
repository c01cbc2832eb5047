// Scripts of heat maps and pictures: panels in a grid, below the names of its columns and beside the names of its rows.

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/quote.h"
#include "draw/gnuplot.h"

namespace variform::draw::gnuplot {
namespace {

constexpr const char* kPalette =
    "set palette defined (0 '#440154', 1 '#472d7b', 2 '#3b528b', 3 '#2c728e', 4 '#21918c', 5 '#28ae80', 6 "
    "'#5ec962', 7 '#addc30', 8 '#fde725')\n";
constexpr int kGap = 12, kLine = 17, kEdge = 14, kScale = 110;

// Texts along one side of the grid, with as many lines as the longest needs, all in one size.
struct Headings {
  std::vector<std::vector<std::string>> lines;  // of each text; empty: none
  std::string font;
  int deep = 0;  // pixels

  Headings(const std::vector<std::string>& texts, double panel) {
    const double place = 0.8 * panel;  // the PNG's letters are wider than most
    std::string widest;
    std::size_t most = 0;
    for (const std::string& text : texts) {
      lines.push_back(text.empty() ? std::vector<std::string>{} : wrapped(text, place));
      most = std::max(most, lines.back().size());
      for (const std::string& line : lines.back())
        if (width_of(line) > width_of(widest)) widest = line;
    }
    font = font_for(widest, place);
    deep = most == 0 ? 0 : kLine * static_cast<int>(most) + 8;
  }

  // Returns label commands: at(i, deep) places line i's middle so many pixels away from the panels.
  template <class At>
  std::string text(const At& at, const std::string& how) const {
    std::string text;
    for (std::size_t i = 0; i < lines.size(); ++i)
      for (std::size_t l = 0; l < lines[i].size(); ++l)
        text += "  set label " + base::gnuplot_text(lines[i][l]) +
                at(i, 14 + kLine * static_cast<int>(lines[i].size() - 1 - l)) + how + font + "\n";
    return text;
  }
};

// The positions of panels and names on the page.
struct Grid {
  int columns, rows, panel_width, panel_height;
  Headings titles, names;  // of columns, of rows
  int left, top, right = kEdge, bottom = kEdge;

  Grid(const Figure& figure, int width, int height)
      : columns(std::clamp(static_cast<int>(figure.columns), 1, static_cast<int>(figure.panels.size()))),
        rows((static_cast<int>(figure.panels.size()) + columns - 1) / columns),
        panel_width(width),
        panel_height(height),
        titles(texts(figure, 1, static_cast<std::size_t>(columns), &Panel::title), width),
        names(texts(figure, static_cast<std::size_t>(columns), figure.panels.size(), &Panel::row), height),
        left(kEdge + names.deep),
        top(kEdge + titles.deep) {}

  static std::vector<std::string> texts(const Figure& figure, std::size_t step, std::size_t end,
                                        std::string Panel::*text) {
    std::vector<std::string> texts;
    for (std::size_t p = 0; p < end; p += step) texts.push_back(figure.panels[p].*text);
    return texts;
  }
  int width() const { return left + columns * (panel_width + kGap) - kGap + right; }
  int height() const { return top + rows * (panel_height + kGap) - kGap + bottom; }
  int x(std::size_t panel) const { return left + static_cast<int>(panel) % columns * (panel_width + kGap); }
  int y(std::size_t panel) const { return top + static_cast<int>(panel) / columns * (panel_height + kGap); }

  // Makes the panel's axes fill its place exactly.
  std::string margins(std::size_t panel) const {
    const auto screen = [](const char* side, double part, double whole) {
      return std::string("set ") + side + " at screen " + share(part, whole);
    };
    return "  " + screen("lmargin", x(panel), width()) + "; " +
           screen("rmargin", x(panel) + panel_width, width()) + "\n  " +
           screen("tmargin", height() - y(panel), height()) + "; " +
           screen("bmargin", height() - y(panel) - panel_height, height()) + "\n";
  }
  std::string at(double from_left, double from_top) const {
    return " at screen " + share(from_left, width()) + ", screen " + share(height() - from_top, height());
  }

  // Places names of columns above the first row, and of rows beside the first column.
  std::string headings() const {
    return titles.text([&](std::size_t c, int away) { return at(x(c) + 0.5 * panel_width, top - away); },
                       " center") +
           names.text(
               [&](std::size_t r, int away) {
                 return at(left - away, y(r * static_cast<std::size_t>(columns)) + 0.5 * panel_height);
               },
               " center rotate by 90");
  }
};

constexpr const char* kBare = "set style fill solid 1 noborder\n";
constexpr const char* kBarePanel =
    "  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow\n";

// ---------------------------------------------------------------------------------------------------- heat maps

class HeatMaps {
 public:
  HeatMaps(const Figure& figure, const std::string& name)
      : figure_(figure), name_(name), grid_(figure, side(figure), side(figure)) {
    grid_.right = kScale;
    const bool labelled = !figure.panels.empty() && !figure.panels[0].x_label.empty();
    if (labelled) grid_.bottom += 20;
    for (const Panel& panel : figure.panels)
      if (panel.map)
        for (const auto& row : panel.map->values)
          for (const double value : row)
            if (std::isfinite(value)) low_ = std::min(low_, value), high_ = std::max(high_, value);
    if (figure.range) std::tie(low_, high_) = *figure.range;
    if (!(low_ < high_)) high_ = low_ + 1;
  }

  std::string text() {
    body_ = grid_.headings();
    const std::string& label = figure_.panels[0].x_label;
    if (!label.empty())
      body_ += "  set label " + base::gnuplot_text(label) +
               grid_.at(grid_.left + 0.5 * (grid_.width() - grid_.left - grid_.right), grid_.height() - 14) +
               " center\n";
    std::size_t last = 0;
    for (std::size_t p = 0; p < figure_.panels.size(); ++p)
      if (figure_.panels[p].map) last = p;
    for (std::size_t p = 0; p < figure_.panels.size(); ++p)
      if (figure_.panels[p].map) panel(p, p == last);
    const std::string head =
        std::string(kBare) + kPalette + "set cbrange [" + number(low_) + ":" + number(high_) + "]\n";
    return page(name_, grid_.width(), grid_.height(), head, body_);
  }

 private:
  static int side(const Figure& figure) { return figure.columns > 4 ? 150 : figure.columns > 2 ? 200 : 260; }

  void panel(std::size_t p, bool last) {
    const HeatMap& map = *figure_.panels[p].map;
    const std::size_t size = map.values.size();
    const std::string range = "[0.5:" + number(static_cast<double>(size) + 0.5) + "]",
                      falling = "[" + number(static_cast<double>(size) + 0.5) + ":0.5]";
    body_ += grid_.margins(p) + kBarePanel + "  set xrange " + range + "; set yrange " + falling +
             "\n  set border 15 lw 0.5 lc rgb '#444444'\n";
    for (const std::size_t bound : map.bounds) {
      const std::string at = number(static_cast<double>(bound) + 0.5);
      body_ += "  set arrow from " + at + ", graph 0 to " + at +
               ", graph 1 nohead front lw 1.5 lc rgb 'white'\n" + "  set arrow from graph 0, first " + at +
               " to graph 1, first " + at + " nohead front lw 1.5 lc rgb 'white'\n";
    }
    if (last) scale();
    const std::string rows = fmt::format("skip 1 every ::{}::{}", row_, row_ + size * size - 1);
    row_ += size * size;
    // Cells reach a little over their borders, which would shine through otherwise.
    body_ += "  plot " + base::gnuplot_file(name_ + ".csv") + " " + rows +
             " using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette";
    if (std::find(map.active.begin(), map.active.end(), false) != map.active.end())
      body_ +=
          ", \\\n    '' " + rows +
          " using ($6 == 0 ? $3 : NaN):4:(0.51):(0.51) with boxxyerror fs solid 1 noborder lc rgb '#d9d9d9'";
    body_ += "\n" + std::string(p == 0 ? "  unset label\n" : "");
  }

  // Draws one colour bar for all panels, to their right.
  void scale() {
    const double x = grid_.width() - kScale + 18,
                 height = std::min(300, grid_.height() - grid_.top - grid_.bottom),
                 y = grid_.top + 0.5 * (grid_.height() - grid_.top - grid_.bottom - height);
    body_ += "  set colorbox vertical user origin screen " + share(x, grid_.width()) + ", screen " +
             share(grid_.height() - y - height, grid_.height()) + " size screen " + share(16, grid_.width()) +
             ", screen " + share(height, grid_.height()) +
             "\n  set cbtics scale 0.5 font ',11'\n  set cblabel " + base::gnuplot_text(figure_.scale_label) +
             font_for(figure_.scale_label, height) + "\n";
  }

  const Figure& figure_;
  const std::string name_;
  Grid grid_;
  double low_ = std::numeric_limits<double>::infinity(), high_ = -low_;
  std::size_t row_ = 0;
  std::string body_;
};

// ---------------------------------------------------------------------------------------------------- pictures

// Returns the page pixels per pixel of a picture: a whole number, so that small pictures can be seen.
int enlargement_of(int width, int height) { return std::max(1, 160 / std::max({width, height, 1})); }

}  // namespace

std::string heat_maps(const Figure& figure, const std::string& name) { return HeatMaps(figure, name).text(); }

std::string pictures(const Figure& figure, const std::string& name) {
  int width = 1, height = 1;
  for (const Panel& panel : figure.panels)
    if (panel.picture) {
      width = std::max(width, panel.picture->width);
      height = std::max(height, panel.picture->height);
    }
  const int times = enlargement_of(width, height);
  const Grid grid(figure, times * width, times * height);
  std::string body = grid.headings() + kBarePanel + "  unset border\n";
  bool first = true;
  for (std::size_t p = 0; p < figure.panels.size(); ++p) {
    if (!figure.panels[p].picture) continue;
    // Smaller pictures than the largest are centred.
    const auto range = [](int most, int own) {
      const double low = -0.5 - 0.5 * (most - own);
      return "[" + number(low) + ":" + number(low + most) + "]";
    };
    const Picture& picture = *figure.panels[p].picture;
    body += grid.margins(p) + "  set xrange " + range(width, picture.width) + "; set yrange " +
            range(height, picture.height) + "\n  plot " + base::gnuplot_file(picture_name(name, p)) +
            " binary filetype=png with rgbimage\n" + (first ? "  unset label\n" : "");
    first = false;
  }
  return page(name, grid.width(), grid.height(), kBare, body);
}

}  // namespace variform::draw::gnuplot
