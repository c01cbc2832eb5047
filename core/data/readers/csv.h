#pragma once
// Tables of numbers as text, for 1-D data.

#include <filesystem>
#include <string>
#include <vector>

#include "data/readers/array.h"

namespace variform::data {

struct Table {
  std::vector<std::string> columns;  ///< the header's names; "1", "2", … when there is no header
  Array values;                      ///< float64 [rows, columns]
};

/// Reads numbers separated by commas, semicolons, tabs or blanks, one datum a line, with an optional line of column
/// names first. Empty lines and lines that begin with # are skipped. Plain or gzip. Throws ReadError with the line
/// number for a cell that is no finite number and for a line of another length.
Table read_csv(const std::filesystem::path& path);

}  // namespace variform::data
