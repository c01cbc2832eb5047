#pragma once
// Makes tables of a study: means with their 95 % intervals by Student's t, as text, CSV and LaTeX.

#include <string>

#include "base/table.h"
#include "study/results.h"
#include "study/specs.h"

namespace variform::study {

/// A table, with the formats that Table does not write itself.
struct StudyTable {
  base::Table table;
  std::string csv, latex;
  std::vector<std::size_t> cells;  ///< of the results: those whose numbers are in it
  std::string note{};              ///< sentences that its caption needs; may be empty
};

/// Throws Error when no run has any of its metrics, and where evaluations or stages would be mixed.
StudyTable table_of(const StudyResults& results, const TableSpec& spec);

}  // namespace variform::study
