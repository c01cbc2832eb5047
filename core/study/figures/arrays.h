#pragma once
// Arrays of a study's evaluations: which files have them, and what is in them. A path names an array in the file's JSON:
// "geometry_arrays.metric.mean".

#include <optional>
#include <string>
#include <vector>

#include "study/results.h"
#include "study/specs.h"

namespace variform::study {

/// Numbers row by row; what is null in the file is NaN.
struct Array {
  std::vector<std::size_t> shape;
  std::vector<double> values;
};

/// The arrays at `paths`; nothing where there is none, or no array of numbers with as many in each row.
std::vector<std::optional<Array>> arrays_of(const StudyResults::File& file,
                                            const std::vector<std::string>& paths);

using Files = std::vector<const StudyResults::File*>;

/// Evaluations at the end of trainings and comparisons that fit.
Files files_of(const StudyResults& results, const Selection& selection);

/// Throws Error where two files or cells that stand in one place of a figure differ in more than the seed, so that
/// showing the first would be arbitrary. `what`: "a heat map".
void require_seeds_only(const std::string& what, const std::vector<const Labels*>& labels);

}  // namespace variform::study
