// See information.h.

#include "information.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace variform::metrics {
namespace {

int classes_of(const std::vector<int>& a) {
  return a.empty() ? 0 : *std::max_element(a.begin(), a.end()) + 1;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Returns a quantile by linear interpolation between order statistics, as numpy's percentile does.
double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

// Returns max |z_i − E z_i| of every latent.
std::vector<double> largest_deviations(const Numbers& codes) {
  std::vector<double> largest(codes.columns);
  for (std::size_t i = 0; i < codes.columns; ++i) {
    const std::vector<double> column = codes.column(i);
    const double mean = mean_of(column);
    for (double value : column) largest[i] = std::max(largest[i], std::abs(value - mean));
  }
  return largest;
}

// Returns the 0.99 quantile of the deviations from their own mean, of the values whose factor is k, averaged over k.
double deviation_given(const std::vector<double>& values, const std::vector<int>& factor) {
  std::vector<std::vector<double>> groups(static_cast<std::size_t>(classes_of(factor)));
  for (std::size_t n = 0; n < values.size(); ++n)
    groups[static_cast<std::size_t>(factor[n])].push_back(values[n]);
  double sum = 0;
  int seen = 0;
  for (std::vector<double>& group : groups) {
    if (group.empty()) continue;
    const double mean = mean_of(group);
    for (double& value : group) value = std::abs(value - mean);
    sum += quantile(std::move(group), 0.99);
    ++seen;
  }
  return sum / seen;
}

}  // namespace

std::pair<std::vector<int>, int> numbered(const std::vector<std::int64_t>& values) {
  std::vector<std::int64_t> distinct = values;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<int> numbers;
  numbers.reserve(values.size());
  for (std::int64_t value : values)
    numbers.push_back(
        static_cast<int>(std::lower_bound(distinct.begin(), distinct.end(), value) - distinct.begin()));
  return {std::move(numbers), static_cast<int>(distinct.size())};
}

std::vector<int> histogram_bins(const std::vector<double>& values, int bins) {
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  std::vector<int> result(values.size());
  if (!(*largest > *smallest)) return result;
  const double step = (*largest - *smallest) / bins;
  std::vector<double> edges;  // lower ones
  for (int i = 0; i < bins; ++i) edges.push_back(i * step + *smallest);
  for (std::size_t n = 0; n < values.size(); ++n)
    result[n] = static_cast<int>(std::upper_bound(edges.begin(), edges.end(), values[n]) - edges.begin()) - 1;
  return result;
}

double mutual_information(const std::vector<int>& a, const std::vector<int>& b) {
  const auto width = static_cast<std::size_t>(classes_of(b));
  std::vector<double> joint(static_cast<std::size_t>(classes_of(a)) * width),
      of_a(joint.size() / std::max<std::size_t>(1, width)), of_b(width);
  const auto all =
      static_cast<double>(a.size());  // whole numbers in the logarithm give exactly 0 for independent columns
  for (std::size_t n = 0; n < a.size(); ++n) {
    const auto i = static_cast<std::size_t>(a[n]), j = static_cast<std::size_t>(b[n]);
    joint[i * width + j] += 1;
    of_a[i] += 1;
    of_b[j] += 1;
  }
  double sum = 0;
  for (std::size_t i = 0; i < of_a.size(); ++i)
    for (std::size_t j = 0; j < width; ++j)
      if (const double count = joint[i * width + j]; count > 0)
        sum += count / all * std::log(count * all / (of_a[i] * of_b[j]));
  return sum;
}

double entropy(const std::vector<int>& a) { return mutual_information(a, a); }

Numbers mutual_information(const Numbers& codes, const Classes& factors, int bins) {
  Numbers information(codes.columns, factors.columns);
  for (std::size_t i = 0; i < codes.columns; ++i) {
    const std::vector<int> discretised = histogram_bins(codes.column(i), bins);
    for (std::size_t j = 0; j < factors.columns; ++j)
      information(i, j) = mutual_information(discretised, factors.column(j));
  }
  return information;
}

double mutual_information_gap(const Numbers& information, const std::vector<double>& entropies) {
  double sum = 0;
  for (std::size_t j = 0; j < information.columns; ++j) {
    std::vector<double> of_factor = information.column(j);
    std::partial_sort(of_factor.begin(), of_factor.begin() + 2, of_factor.end(), std::greater<>());
    sum += (of_factor[0] - of_factor[1]) / entropies[j];
  }
  return sum / static_cast<double>(information.columns);
}

double modularity(const Numbers& information) {
  double sum = 0;
  for (std::size_t i = 0; i < information.rows; ++i) {
    double squares = 0, best = 0;
    for (std::size_t j = 0; j < information.columns; ++j) {
      const double square = information(i, j) * information(i, j);
      squares += square;
      best = std::max(best, square);
    }
    if (best > 0) sum += 1 - (squares - best) / (best * static_cast<double>(information.columns - 1));
  }
  return sum / static_cast<double>(information.rows);
}

Numbers interventional_robustness(const Numbers& codes, const Classes& factors) {
  const std::vector<double> largest = largest_deviations(codes);
  Numbers robustness(codes.columns, factors.columns);
  for (std::size_t i = 0; i < codes.columns; ++i) {
    if (!(largest[i] > 0)) continue;
    const std::vector<double> column = codes.column(i);
    for (std::size_t j = 0; j < factors.columns; ++j)
      robustness(i, j) = 1 - deviation_given(column, factors.column(j)) / largest[i];
  }
  return robustness;
}

double interventional_robustness_score(const Numbers& codes, const Numbers& robustness) {
  const std::vector<double> weights = largest_deviations(codes);
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < robustness.rows; ++i) {
    const auto row = robustness.values.begin() + static_cast<std::ptrdiff_t>(i * robustness.columns);
    sum += weights[i] * *std::max_element(row, row + static_cast<std::ptrdiff_t>(robustness.columns));
    weight += weights[i];
  }
  return weight > 0 ? sum / weight : 0;
}

}  // namespace variform::metrics
