// See figure.h.

#include "report/figure.h"

#include <algorithm>
#include <fstream>

#include "report/gnuplot.h"
#include "report/png_grid.h"

namespace variform::report {
namespace fs = std::filesystem;
namespace {

using gnuplot::number;

std::string field(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c == '\n' ? ' ' : c);
  return quoted + "\"";
}

std::string csv_of(const Panel& panel, const HeatMap& map) {
  const auto active = [&](std::size_t i) { return map.active.empty() || map.active[i]; };
  const auto text = [](std::size_t i) { return std::to_string(i); };
  std::string csv;
  for (std::size_t i = 0; i < map.values.size(); ++i)
    for (std::size_t j = 0; j < map.values.size(); ++j)
      csv += field(panel.title) + "," + field(panel.row) + "," + text(j + 1) + "," + text(i + 1) + "," +
             number(map.values[i][j]) + "," + (active(i) && active(j) ? "1," : "0,") +
             text(map.names[j] + 1) + "," + text(map.names[i] + 1) + "\n";
  return csv;
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) throw Error("the file " + path.string() + " could not be written.");
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
    fs::copy_file(figure.panels[p].picture->file, to, fs::copy_options::overwrite_existing, failed);
    if (failed)
      throw Error("the picture " + figure.panels[p].picture->file.string() + " could not be copied to " +
                  to.string() + ": " + failed.message() + ".");
  }
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
      text +=
          field(panel.title) + "," + field(panel.row) + "," + field(gnuplot::picture_name(name, p)) + "\n";
    for (const Series& series : panel.series)
      for (std::size_t i = 0; i < series.y.size(); ++i)
        text += field(panel.title) + "," + field(series.label) + "," +
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

Drawn draw(const Figure& figure, const fs::path& stem) {
  if (is_empty(figure)) throw Error("there is nothing to draw.");
  const auto with = [&](const char* suffix) { return fs::path(stem.string() + suffix); };
  const Drawn drawn{with(".svg"), with(".png"), with(".csv"), with(".gp")};
  const fs::path folder = stem.has_parent_path() ? stem.parent_path() : fs::path(".");
  const std::string name = stem.filename().string();
  fs::create_directories(folder);
  write(drawn.csv, csv_of(figure, name));
  write(drawn.script, script_of(figure, name));
  copy_pictures(figure, folder, name);
  const auto [said, code] = gnuplot::run(drawn.script);
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
