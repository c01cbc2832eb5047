// Heat maps of studies: see figures.h.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "draw/png_grid.h"
#include "study/figures/arrays.h"
#include "study/figures/figures.h"
#include "study/groups.h"

namespace variform::study {
namespace {

using Vector = std::optional<Array>;

// Returns the order of the latents: block by block, in each by descending value.
std::vector<std::size_t> order_of(std::size_t size, const Vector& values, const Vector& blocks) {
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (blocks && blocks->values[a] != blocks->values[b]) return blocks->values[a] < blocks->values[b];
    if (!values) return false;
    const double left = values->values[a], right = values->values[b];
    return std::isfinite(left) && (!std::isfinite(right) || left > right);
  });
  return order;
}

draw::HeatMap map_of(const Array& matrix, const Vector& sort, const Vector& active, const Vector& blocks) {
  const std::size_t size = matrix.shape[0];
  draw::HeatMap map;
  map.names = order_of(size, sort, blocks);
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t row = map.names[i];
    std::vector<double> values;
    for (const std::size_t column : map.names) values.push_back(matrix.values[row * size + column]);
    map.values.push_back(std::move(values));
    if (active) map.active.push_back(active->values[row] != 0);
    if (blocks && i > 0 && blocks->values[row] != blocks->values[map.names[i - 1]]) map.bounds.push_back(i);
  }
  return map;
}

// Returns the map of the first run at a place in the grid whose evaluation has the array.
std::optional<std::pair<draw::HeatMap, const StudyResults::File*>> first_map(const Files& files,
                                                                             const FigureSpec& spec) {
  std::vector<const Labels*> labels;
  std::optional<std::pair<draw::HeatMap, const StudyResults::File*>> found;
  for (const StudyResults::File* file : files) {
    const StudyResults::File* first = found ? found->second : nullptr;
    if (first && file->evaluation == first->evaluation &&
        (file->stage == first->stage || file->labels != first->labels)) {
      labels.push_back(&file->labels);
      continue;
    }
    const auto arrays = arrays_of(*file, {spec.array, spec.sort, spec.active, spec.blocks});
    const auto& matrix = arrays[0];
    if (!matrix) continue;
    if (first)
      throw base::Error(spec.array + " is in the evaluations " + first->evaluation + " of " + first->stage +
                        " and " + file->evaluation + " of " + file->stage +
                        ": choose by evaluation and stage.");
    if (matrix->shape.size() != 2 || matrix->shape[0] != matrix->shape[1] || matrix->values.empty())
      throw base::Error(spec.array + " of " + file->file.string() + " is not a square matrix.");
    const auto vector = [&](std::size_t i, const std::string& path, bool needed) -> Vector {
      if (path.empty() || (!arrays[i] && !needed)) return {};
      if (!arrays[i] || arrays[i]->values.size() != matrix->shape[0])
        throw base::Error(fmt::format("{} of {} is not an array of {} numbers.", path, file->file.string(),
                                      matrix->shape[0]));
      return arrays[i];
    };
    found.emplace(map_of(*matrix, vector(1, spec.sort, true), vector(2, spec.active, true),
                         vector(3, spec.blocks, false)),
                  file);
    labels.push_back(&file->labels);
  }
  if (found) require_seeds_only("a heat map", labels);
  return found;
}

}  // namespace

StudyFigure heat_maps_of(const StudyResults& results, const FigureSpec& spec) {
  const Files files = files_of(results, spec.selection);
  const std::vector<std::string> columns = distinct(results, files, spec.panel);
  StudyFigure shown;
  shown.figure.kind = draw::FigureKind::kHeatMaps;
  shown.figure.range = spec.range;
  shown.figure.scale_label = spec.scale_label;
  std::set<std::string> seeds;
  std::set<std::size_t> cells;
  for (const std::string& row : distinct(results, files, spec.rows))
    for (const std::string& column : columns) {
      draw::Panel panel;
      panel.title = title_of(spec.panel_label, spec.panel, column);
      panel.row = title_of(spec.row_label, spec.rows, row);
      panel.x_label = spec.x_label;
      if (auto found = first_map(only(only(files, spec.rows, row), spec.panel, column), spec)) {
        panel.map = std::move(found->first);
        if (const std::string seed = label_of(found->second->labels, "seed"); !seed.empty())
          seeds.insert(seed);
        for (const std::size_t cell : results.cells_of(found->second->stage, found->second->labels))
          cells.insert(cell);
      }
      shown.figure.panels.push_back(std::move(panel));
    }
  shown.cells.assign(cells.begin(), cells.end());
  shown.figure.columns = columns.size();
  if (cells.empty()) throw base::Error("nothing to show: no evaluation has " + spec.array + ".");
  drop_empty(shown.figure);
  shown.note = note_of_seeds(seeds);
  return shown;
}

}  // namespace variform::study
