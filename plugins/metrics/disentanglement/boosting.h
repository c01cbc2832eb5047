#pragma once
// Gradient-boosted trees by xgboost, as DCI uses them: how much each input matters for one factor, and how well the
// factor is predicted.

#include <string>
#include <vector>

#include "arrays.h"

namespace variform::metrics {

/// The description of the trees in that of a metric.
inline constexpr const char* kBoosting =
    "xgboost, 100 rounds of depth-3 histogram trees fitted by squared error to softmax residuals, learning "
    "rate 0.1";

struct Boosted {
  std::vector<double>
      importance;              ///< [d]: share of the total gain of all splits; all 0 when nothing was split
  std::vector<int> predicted;  ///< [N_test]
};

/// Trains on x [N, d] and y [N] (classes 0 … K − 1, at least two), predicts `test`. A function of its arguments: no
/// subsampling, one thread. Throws std::runtime_error with xgboost's own message if it fails.
Boosted boosted_trees(const Numbers& x, const std::vector<int>& y, const Numbers& test);

}  // namespace variform::metrics
