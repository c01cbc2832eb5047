// See factors.h.

#include "factors.h"

#include <algorithm>
#include <cmath>

namespace variform::metrics {
namespace {

bool all_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}
bool all_whole(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return value == std::round(value); });
}

// Returns the index of every value among the distinct ones, which are sorted.
std::vector<int> places(const std::vector<double>& values, const std::vector<double>& distinct) {
  std::vector<int> result;
  for (double value : values)
    result.push_back(
        static_cast<int>(std::lower_bound(distinct.begin(), distinct.end(), value) - distinct.begin()));
  return result;
}

// Makes bins of equal counts, but keeps equal values together: a value's bin is that of its first place when sorted.
std::vector<int> equal_bins(const std::vector<double>& values, std::size_t bins) {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int64_t> found;
  for (double value : values) {
    const auto rank =
        static_cast<std::size_t>(std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin());
    found.push_back(static_cast<std::int64_t>(rank * bins / values.size()));
  }
  return numbered(found).first;
}

struct Column {
  std::vector<int> classes;  // empty: left out
  std::string note;          // what was done, unless the values are classes
  std::string why;           // in short, when left out
};

Column as_classes(const std::vector<double>& values) {
  if (!all_finite(values))
    return {{}, "left out: some of its values are missing or not finite", "has missing values"};
  std::vector<double> distinct = values;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  const bool whole = all_whole(values), two_each = 2 * distinct.size() <= values.size();
  if (distinct.size() <= (whole ? kMostClasses : kMostRealClasses) && two_each)
    return {places(values, distinct), "", ""};
  const std::string count = std::to_string(distinct.size()),
                    in_rows = " different values in " + std::to_string(values.size()) + " rows";
  if (whole)
    return {
        {},
        "left out: " + count + " whole numbers in " + std::to_string(values.size()) +
            " rows are too many classes (at most " + std::to_string(kMostClasses) +
            ", with two rows each), and they may be identities, whose order says nothing; a number should be "
            "given as classes or with its fraction",
        "has " + count + " different whole numbers in " + std::to_string(values.size()) + " rows"};
  const std::size_t bins = std::clamp<std::size_t>(values.size() / kRowsOfABin, 2, kFactorBins);
  return {equal_bins(values, bins),
          "put into " + std::to_string(bins) + " bins of equal counts: " + count + in_rows, ""};
}

}  // namespace

KnownFactors factors_as_classes(const Numbers& factors, const std::vector<std::string>& names) {
  KnownFactors result;
  std::vector<std::vector<int>> kept;
  for (std::size_t j = 0; j < factors.columns; ++j) {
    const std::string name = j < names.size() ? names[j] : "factor " + std::to_string(j + 1);
    Column column = as_classes(factors.column(j));
    if (!column.note.empty()) result.notes.push_back("factor " + name + " is " + column.note + ".");
    if (column.classes.empty()) {
      result.left_out.push_back(name + " " + column.why);
      continue;
    }
    kept.push_back(std::move(column.classes));
    result.names.push_back(name);
  }
  result.values = Classes(factors.rows, kept.size());
  for (std::size_t j = 0; j < kept.size(); ++j)
    for (std::size_t n = 0; n < factors.rows; ++n) result.values(n, j) = kept[j][n];
  return result;
}

}  // namespace variform::metrics
