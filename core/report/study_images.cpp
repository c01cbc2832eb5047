// Pictures that runs hold, side by side: see study_figures.h.

#include <algorithm>
#include <set>

#include "report/png_grid.h"
#include "report/study_arrays.h"
#include "report/study_figures.h"
#include "report/study_groups.h"

namespace variform::report {
namespace {

struct Found {
  std::size_t cell = 0;
  std::filesystem::path file;
};

std::string coordinate(const StudyResults::Cell& cell, const std::string& axis) {
  return axis == "stage" ? cell.stage : label_of(cell.labels, axis);
}

// All pictures of that name that fit, in the order of the cells.
std::vector<Found> pictures_of(const StudyResults& results, const FigureSpec& spec) {
  std::vector<Found> found;
  for (std::size_t i = 0; i < results.cells.size(); ++i) {
    const StudyResults::Cell& cell = results.cells[i];
    if (!spec.selection.fits(cell.stage, spec.selection.evaluation, cell.labels)) continue;
    for (const auto& picture : cell.pictures)
      if (picture.name == spec.picture) found.push_back({i, picture.file});
  }
  if (found.empty()) throw Error("nothing to show: no run of the study has a picture " + spec.picture + ".");
  return found;
}

std::vector<std::string> distinct(const StudyResults& results, const std::vector<Found>& pictures,
                                  const std::string& axis) {
  std::vector<std::string> texts;
  for (const Found& picture : pictures)
    if (const std::string text = coordinate(results.cells[picture.cell], axis);
        std::find(texts.begin(), texts.end(), text) == texts.end())
      texts.push_back(text);
  results.sort_labels(axis, texts);
  return texts;
}

}  // namespace

StudyFigure images_of(const StudyResults& results, const FigureSpec& spec) {
  const std::vector<Found> pictures = pictures_of(results, spec);
  const std::vector<std::string> columns = distinct(results, pictures, spec.panel);
  StudyFigure shown;
  shown.figure.kind = FigureKind::kPictures;
  shown.figure.columns = columns.size();
  std::set<std::string> seeds;
  for (const std::string& row : distinct(results, pictures, spec.rows))
    for (const std::string& column : columns) {
      Panel panel;
      panel.title = title_of(spec.panel_label, spec.panel, column);
      panel.row = title_of(spec.row_label, spec.rows, row);
      std::vector<const Labels*> labels;
      for (const Found& picture : pictures) {
        const StudyResults::Cell& cell = results.cells[picture.cell];
        if (coordinate(cell, spec.panel) != column || coordinate(cell, spec.rows) != row) continue;
        labels.push_back(&cell.labels);
        if (panel.picture) continue;
        const Image image = read_png(picture.file);
        panel.picture = Picture{picture.file, image.width, image.height};
        shown.cells.push_back(picture.cell);
        if (const std::string seed = label_of(cell.labels, "seed"); !seed.empty()) seeds.insert(seed);
      }
      if (!labels.empty()) require_seeds_only("a picture", labels);
      shown.figure.panels.push_back(std::move(panel));
    }
  shown.note = note_of_seeds(seeds);
  return shown;
}

}  // namespace variform::report
