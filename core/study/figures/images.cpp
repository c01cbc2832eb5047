// Pictures from run folders, side by side: see figures.h.

#include <set>
#include <stdexcept>

#include "base/file.h"
#include "draw/png_grid.h"
#include "study/figures/arrays.h"
#include "study/figures/figures.h"
#include "study/groups.h"

namespace variform::study {
namespace {

using Cells = std::vector<const StudyResults::Cell*>;

// Returns the cell's picture of that name, if it has one.
const std::filesystem::path* picture_of(const StudyResults::Cell& cell, const std::string& name) {
  for (const auto& picture : cell.pictures)
    if (picture.name == name) return &picture.file;
  return nullptr;
}

// Throws unless the file lies in the run's folder: it is copied into the report, and a link must not bring in another
// file.
void require_of_run(const std::filesystem::path& run, const std::filesystem::path& file) {
  try {
    base::require_inside(run, file);
  } catch (const std::runtime_error& error) {
    throw base::Error(error.what());
  }
}

// Returns the cells that fit and have the picture.
Cells cells_of(const StudyResults& results, const FigureSpec& spec) {
  Cells found;
  for (const StudyResults::Cell& cell : results.cells)
    if (spec.selection.fits(cell.stage, spec.selection.evaluation, cell.labels) &&
        picture_of(cell, spec.picture))
      found.push_back(&cell);
  if (found.empty())
    throw base::Error("nothing to show: no run of the study has a picture " + spec.picture + ".");
  return found;
}

}  // namespace

StudyFigure images_of(const StudyResults& results, const FigureSpec& spec) {
  const Cells cells = cells_of(results, spec);
  const std::vector<std::string> columns = distinct(results, cells, spec.panel);
  StudyFigure shown;
  shown.figure.kind = draw::FigureKind::kPictures;
  shown.figure.columns = columns.size();
  std::set<std::string> seeds;
  for (const std::string& row : distinct(results, cells, spec.rows))
    for (const std::string& column : columns) {
      draw::Panel panel;
      panel.title = title_of(spec.panel_label, spec.panel, column);
      panel.row = title_of(spec.row_label, spec.rows, row);
      if (const Cells here = only(only(cells, spec.rows, row), spec.panel, column); !here.empty()) {
        std::vector<const Labels*> labels;
        for (const StudyResults::Cell* cell : here) labels.push_back(&cell->labels);
        require_seeds_only("a picture", labels);
        const std::filesystem::path& file = *picture_of(*here[0], spec.picture);
        require_of_run(here[0]->run, file);
        const auto [width, height] = draw::sides_of_png(file);
        panel.picture = draw::Picture{file, width, height};
        shown.cells.push_back(static_cast<std::size_t>(here[0] - results.cells.data()));
        if (const std::string seed = label_of(here[0]->labels, "seed"); !seed.empty()) seeds.insert(seed);
      }
      shown.figure.panels.push_back(std::move(panel));
    }
  shown.note = note_of_seeds(seeds);
  return shown;
}

}  // namespace variform::study
