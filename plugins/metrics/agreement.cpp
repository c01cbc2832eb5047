// See agreement.h.

#include "agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace variform::metrics {
namespace {

// Scales columns to mean 0 and mean square 1; constant ones become 0.
Numbers standardised(const Numbers& codes) {
  Numbers result(codes.rows, codes.columns);
  for (std::size_t i = 0; i < codes.columns; ++i) {
    std::vector<double> column = codes.column(i);
    const auto [smallest, largest] = std::minmax_element(column.begin(), column.end());
    if (!(*largest > *smallest)) continue;
    const auto n = static_cast<double>(column.size());
    const double mean = std::accumulate(column.begin(), column.end(), 0.0) / n;
    double squares = 0;
    for (double& value : column) squares += (value - mean) * (value - mean);
    for (std::size_t row = 0; row < codes.rows; ++row)
      result(row, i) = (column[row] - mean) / std::sqrt(squares / n);
  }
  return result;
}

// Returns the mean products of columns.
Numbers moments(const Numbers& a, const Numbers& b) {
  Numbers result(a.columns, b.columns);
  for (std::size_t n = 0; n < a.rows; ++n)
    for (std::size_t i = 0; i < a.columns; ++i)
      for (std::size_t j = 0; j < b.columns; ++j) result(i, j) += a(n, i) * b(n, j);
  for (double& value : result.values) value /= static_cast<double>(a.rows);
  return result;
}

Numbers ranks(const Numbers& codes) {
  Numbers result(codes.rows, codes.columns);
  std::vector<std::size_t> order(codes.rows);
  for (std::size_t i = 0; i < codes.columns; ++i) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return codes(a, i) < codes(b, i); });
    for (std::size_t first = 0; first < order.size();) {
      std::size_t last = first;
      while (last < order.size() && codes(order[last], i) == codes(order[first], i)) ++last;
      for (std::size_t k = first; k < last; ++k)
        result(order[k], i) = 0.5 * static_cast<double>(first + last - 1);
      first = last;
    }
  }
  return result;
}

double shrunk(double value, double by) { return value > by ? value - by : value < -by ? value + by : 0; }

// Minimises the cost by shortest augmenting paths with potentials, for rows ≤ columns. Returns each row's column.
std::vector<std::size_t> cheapest(const Numbers& cost) {
  const std::size_t n = cost.rows, m = cost.columns, none = 0;
  std::vector<double> row_potential(n + 1), column_potential(m + 1);
  std::vector<std::size_t> row_of(m + 1, none), way(m + 1);  // 1-based; column 0 holds the row to be placed
  for (std::size_t row = 1; row <= n; ++row) {
    std::vector<double> slack(m + 1, std::numeric_limits<double>::infinity());
    std::vector<bool> used(m + 1);
    std::size_t column = 0;
    row_of[0] = row;
    do {
      used[column] = true;
      const std::size_t here = row_of[column];
      double step = std::numeric_limits<double>::infinity();
      std::size_t next = 0;
      for (std::size_t j = 1; j <= m; ++j) {
        if (used[j]) continue;
        const double reduced = cost(here - 1, j - 1) - row_potential[here] - column_potential[j];
        if (reduced < slack[j]) slack[j] = reduced, way[j] = column;
        if (slack[j] < step) step = slack[j], next = j;
      }
      for (std::size_t j = 0; j <= m; ++j) {
        if (used[j]) row_potential[row_of[j]] += step, column_potential[j] -= step;
        else slack[j] -= step;
      }
      column = next;
    } while (row_of[column] != none);
    for (; column != 0; column = way[column]) row_of[column] = row_of[way[column]];
  }
  std::vector<std::size_t> column_of(n);
  for (std::size_t j = 1; j <= m; ++j)
    if (row_of[j] != none) column_of[row_of[j] - 1] = j - 1;
  return column_of;
}

// Returns Σ (best similarity)² / Σ similarities over the informative columns, and their number.
std::pair<double, std::size_t> strength_of_columns(const Numbers& similarity, const std::vector<bool>& rows,
                                                   const std::vector<bool>& columns) {
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t j = 0; j < similarity.columns; ++j) {
    if (!columns[j]) continue;
    double best = 0, all = 0;
    for (std::size_t i = 0; i < similarity.rows; ++i) {
      if (!rows[i]) continue;
      best = std::max(best, similarity(i, j));
      all += similarity(i, j);
    }
    if (all > 0) sum += best * best / all;
    ++count;
  }
  return {sum, count};
}

}  // namespace

Numbers correlations(const Numbers& a, const Numbers& b) { return moments(standardised(a), standardised(b)); }
Numbers rank_correlations(const Numbers& a, const Numbers& b) { return correlations(ranks(a), ranks(b)); }

Numbers lasso_weights(const Numbers& a, const Numbers& b) {
  constexpr double kPenalty = 0.1, kTolerance = 1e-12;
  constexpr int kSweeps = 10000;
  const Numbers x = standardised(a), gram = moments(x, x), target = moments(x, standardised(b));
  Numbers weights(a.columns, b.columns);
  for (std::size_t j = 0; j < b.columns; ++j) {
    std::vector<double> w(a.columns);
    double change = 1;
    for (int sweep = 0; sweep < kSweeps && change > kTolerance; ++sweep) {
      change = 0;
      for (std::size_t i = 0; i < w.size(); ++i) {
        if (!(gram(i, i) > 0)) continue;
        double rest = target(i, j);
        for (std::size_t k = 0; k < w.size(); ++k) rest -= k == i ? 0 : gram(i, k) * w[k];
        const double better = shrunk(rest, kPenalty) / gram(i, i);
        change = std::max(change, std::abs(better - w[i]));
        w[i] = better;
      }
    }
    for (std::size_t i = 0; i < w.size(); ++i) weights(i, j) = std::abs(w[i]);
  }
  return weights;
}

std::vector<std::optional<std::size_t>> best_assignment(const Numbers& gain) {
  const bool wide = gain.rows <= gain.columns;
  Numbers cost = wide ? gain : gain.transposed();
  for (double& value : cost.values) value = -value;
  const std::vector<std::size_t> columns = cheapest(cost);
  std::vector<std::optional<std::size_t>> result(gain.rows);
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (wide) result[i] = columns[i];
    else result[columns[i]] = i;
  return result;
}

double mean_correlation(const Numbers& correlations) {
  Numbers size = correlations;
  for (double& value : size.values) value = std::abs(value);
  double sum = 0;
  const auto assignment = best_assignment(size);
  for (std::size_t i = 0; i < size.rows; ++i)
    if (assignment[i]) sum += size(i, *assignment[i]);
  return sum / static_cast<double>(std::min(size.rows, size.columns));
}

std::optional<double> relative_strength(const Numbers& similarity, const std::vector<bool>& informative_a,
                                        const std::vector<bool>& informative_b) {
  Numbers size = similarity;
  for (double& value : size.values) value = std::abs(value);
  const auto [of_b, count_b] = strength_of_columns(size, informative_a, informative_b);
  const auto [of_a, count_a] = strength_of_columns(size.transposed(), informative_b, informative_a);
  if (count_a == 0 || count_b == 0) return {};
  return (of_a + of_b) / static_cast<double>(count_a + count_b);
}

// For C = aᵀb (centred) the best proper rotation by φ maximises tr(RᵀC) = |(C₁₁ + C₂₂, C₁₂ − C₂₁)| at its own angle,
// the best reflection |(C₁₁ − C₂₂, C₁₂ + C₂₁)|; whichever is longer is the orthogonal Procrustes solution.
std::optional<double> folded_angle(const Numbers& a, const Numbers& b) {
  if (a.columns != 2 || b.columns != 2) return {};
  Numbers x = a, y = b;
  for (Numbers* codes : {&x, &y})
    for (std::size_t i = 0; i < 2; ++i) {
      double mean = 0;
      for (std::size_t n = 0; n < codes->rows; ++n) mean += (*codes)(n, i) / static_cast<double>(codes->rows);
      for (std::size_t n = 0; n < codes->rows; ++n) (*codes)(n, i) -= mean;
    }
  const Numbers c = moments(x, y);
  // Not std::hypot: glibc's newest is of 2.35, and alone would keep the wheel from systems with 2.34.
  const auto length = [](double p, double q) { return std::sqrt(p * p + q * q); };
  const double turn = length(c(0, 0) + c(1, 1), c(0, 1) - c(1, 0));
  const double mirror = length(c(0, 0) - c(1, 1), c(0, 1) + c(1, 0));
  if (!(std::max(turn, mirror) > 0)) return {};
  const double angle = turn >= mirror ? std::atan2(c(0, 1) - c(1, 0), c(0, 0) + c(1, 1))
                                      : std::atan2(c(0, 1) + c(1, 0), c(0, 0) - c(1, 1));
  const double within = std::fmod(std::abs(angle) * 180 / std::numbers::pi, 90.0);
  return std::min(within, 90 - within);
}

}  // namespace variform::metrics
