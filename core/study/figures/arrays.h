#pragma once
// Finds and reads arrays in a study's evaluations. A path names an array in the file's JSON:
// "geometry_arrays.metric.mean".

#include <optional>
#include <string>
#include <vector>

#include "study/results.h"
#include "study/specs.h"

namespace variform::study {

/// Numbers row by row; null in the file is NaN.
struct Array {
  std::vector<std::size_t> shape;
  std::vector<double> values;
};

/// Returns the arrays at `paths`; nothing for one that does not exist, or is not a rectangular array of numbers.
std::vector<std::optional<Array>> arrays_of(const StudyResults::File& file,
                                            const std::vector<std::string>& paths);

using Files = std::vector<const StudyResults::File*>;

/// Returns the evaluations at the end of trainings and the comparisons that fit.
Files files_of(const StudyResults& results, const Selection& selection);

/// Throws Error where two files or cells in one place of a figure differ in more than the seed, so that showing the
/// first would be arbitrary. `what`: "a heat map".
void require_seeds_only(const std::string& what, const std::vector<const Labels*>& labels);

}  // namespace variform::study
