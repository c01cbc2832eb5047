// See arrays.h.

#include "study/figures/arrays.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/json_file.h"
#include "draw/png_grid.h"

namespace variform::study {
namespace {

using nlohmann::json;

const json* at_path(const json& root, const std::string& path) {
  const json* here = &root;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t dot = std::min(path.find('.', start), path.size());
    const auto found = here->is_object() ? here->find(path.substr(start, dot - start)) : here->end();
    if (!here->is_object() || found == here->end()) return nullptr;
    here = &*found;
    start = dot + 1;
  }
  return here;
}

// Gathers nested lists. Returns whether all fit the shape, which the first elements set.
bool gather(const json& value, std::size_t depth, Array& array) {
  if (!value.is_array()) {
    if (depth != array.shape.size() || !(value.is_number() || value.is_null())) return false;
    array.values.push_back(value.is_number() ? value.get<double>()
                                             : std::numeric_limits<double>::quiet_NaN());
    return true;
  }
  if (depth == array.shape.size()) {
    if (!array.values.empty()) return false;
    array.shape.push_back(value.size());
  }
  if (array.shape[depth] != value.size()) return false;
  return std::all_of(value.begin(), value.end(),
                     [&](const json& element) { return gather(element, depth + 1, array); });
}

}  // namespace

std::vector<std::optional<Array>> arrays_of(const StudyResults::File& file,
                                            const std::vector<std::string>& paths) {
  std::vector<std::optional<Array>> found(paths.size());
  json root;
  try {
    root = base::JsonFile(file.file).root().raw();
  } catch (const base::JsonError& error) {  // the file has been changed since it was first read
    throw base::Error(error.what());
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const json* value = paths[i].empty() ? nullptr : at_path(root, paths[i]);
    Array array;
    if (value && value->is_array() && gather(*value, 0, array)) found[i] = std::move(array);
  }
  return found;
}

Files files_of(const StudyResults& results, const Selection& selection) {
  Files files;
  for (const StudyResults::File& file : results.files)
    if (!file.epoch && selection.fits(file.stage, file.evaluation, file.labels)) files.push_back(&file);
  return files;
}

void require_seeds_only(const std::string& what, const std::vector<const Labels*>& labels) {
  for (const Labels* other : labels)
    for (const auto& [axis, label] : *other)
      if (const std::string first = label_of(*labels[0], axis); axis != "seed" && first != label)
        throw base::Error(what + " is of one run, and here are runs with " + axis + " = " +
                          (first.empty() ? "–" : first) + " and " + label +
                          ": name that axis, or choose by `where`.");
}

}  // namespace variform::study
