#pragma once
// The jackknife: the standard error of a statistic, from its values with one of n rows, runs or groups left out.

#include <cmath>
#include <numeric>
#include <vector>

namespace variform::metrics {

/// Returns √((n − 1)/n Σ(θ_k − mean)²) of the n values θ_k, n >= 1. For means of single values it is the usual
/// standard error s/√n (Efron and Stein, The jackknife estimate of variance, 1981).
inline double jackknife_error(const std::vector<double>& without) {
  const auto n = static_cast<double>(without.size());
  const double mean = std::accumulate(without.begin(), without.end(), 0.0) / n;
  double squares = 0;
  for (double value : without) squares += (value - mean) * (value - mean);
  return std::sqrt(squares * (n - 1) / n);
}

}  // namespace variform::metrics
