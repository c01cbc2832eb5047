#pragma once
// Summarises a data set as a training sees it: the numbers that `data show` prints.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"

namespace variform::data {

/// The values of one split as gather() returns them (scaled, without noise), and what goes with them.
struct SplitSummary {
  std::string name;
  std::int64_t rows = 0;
  Shape shape;         ///< of one example
  std::string stored;  ///< element type in memory, "uint8"
  std::string domain;
  double low = 0, high = 0, mean = 0, sd = 0;  ///< over all values
  std::int64_t constants = 0;                  ///< values of an example that never vary
  std::int64_t missing = 0;                    ///< values that were not observed, of all rows
  std::vector<std::pair<std::string, std::int64_t>>
      classes;  ///< name (or number) and rows; empty without labels
  std::vector<std::pair<std::string, std::int64_t>> factors;  ///< name (or place) and distinct values
};

SplitSummary summarise(const Dataset& data, const std::string& name);

/// Draws the first images as letters, side by side, dark to bright, `width` characters in all; for other data, the
/// first rows as numbers. Ends with a newline.
std::string sketch(const Dataset& data, int width);

}  // namespace variform::data
