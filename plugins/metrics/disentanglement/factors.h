#pragma once
// Turns known factors into classes, which the metrics need. Data sets also have angles, sizes and persons' identities.

#include <string>
#include <vector>

#include "arrays.h"

namespace variform::metrics {

/// Known factors of some rows.
struct KnownFactors {
  Classes values{};                     ///< [N, F]
  std::vector<std::string> names{};     ///< [F]
  std::vector<std::string> notes{};     ///< a sentence for each factor that was binned or left out
  std::vector<std::string> left_out{};  ///< in short: "person has 600 different whole numbers in 1200 rows"
};

/// The largest number of distinct values that count as classes, for whole and for real numbers.
inline constexpr std::size_t kMostClasses = 256, kMostRealClasses = 20;
/// Bins of a real-valued factor: 20, as for the latents, fewer where a bin would have fewer than 30 rows.
inline constexpr std::size_t kFactorBins = 20, kRowsOfABin = 30;

/// Numbers the values of every factor. Distinct values are classes where they are at most kMostClasses (whole
/// numbers) or kMostRealClasses (others), with two rows each on average. Other real numbers are put into bins of
/// equal counts, equal values into one bin. Other whole numbers are left out: they may be identities, whose order
/// says nothing. A factor with a value that is not finite is left out. `names` may be shorter than the factors; the
/// others get numbers.
KnownFactors factors_as_classes(const Numbers& factors, const std::vector<std::string>& names);

}  // namespace variform::metrics
