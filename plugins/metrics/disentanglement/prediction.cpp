// See prediction.h.

#include "prediction.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "boosting.h"
#include "linear.h"

namespace variform::metrics {
namespace {

Numbers one_column(const Numbers& codes, std::size_t i) {
  Numbers column(codes.rows, 1);
  column.values = codes.column(i);
  return column;
}

bool is_constant(const Numbers& column) {
  const auto [smallest, largest] = std::minmax_element(column.values.begin(), column.values.end());
  return *smallest == *largest;
}

// Returns 1 − H/log n of the columns of `shares`, averaged with their sums as weights; 0 if all are zero.
double concentration(const Numbers& shares) {
  constexpr double kFloor = 1e-11;  // Locatello et al. add it to every entry
  double sum = 0, weights = 0;
  for (std::size_t j = 0; j < shares.columns; ++j) {
    const std::vector<double> column = shares.column(j);
    const double weight = std::accumulate(column.begin(), column.end(), 0.0);
    const double total = weight + kFloor * static_cast<double>(column.size());
    double entropy = 0;
    for (double value : column) entropy -= (value + kFloor) / total * std::log((value + kFloor) / total);
    sum += weight * (1 - entropy / std::log(static_cast<double>(column.size())));
    weights += weight;
  }
  return weights > 0 ? sum / weights : 0;
}

}  // namespace

Numbers separate_accuracies(const Parts& parts) {
  const LinearOptions options{LinearOptions::Loss::kSquaredHinge, 0.01, true};
  Numbers accuracies(parts.train.columns, parts.train_of.columns);
  for (std::size_t i = 0; i < accuracies.rows; ++i) {
    const Numbers train = one_column(parts.train, i), test = one_column(parts.test, i);
    if (is_constant(train)) continue;
    for (std::size_t j = 0; j < accuracies.columns; ++j) {
      const LinearClassifier classifier(train, parts.train_of.column(j), options);
      accuracies(i, j) = accuracy(classifier.predict(test), parts.test_of.column(j));
    }
  }
  return accuracies;
}

double attribute_predictability(const Numbers& accuracies) {
  double sum = 0;
  for (std::size_t j = 0; j < accuracies.columns; ++j) {
    std::vector<double> of_factor = accuracies.column(j);
    std::partial_sort(of_factor.begin(), of_factor.begin() + 2, of_factor.end(), std::greater<>());
    sum += of_factor[0] - of_factor[1];
  }
  return sum / static_cast<double>(accuracies.columns);
}

FactorImportance importance(const Parts& parts) {
  FactorImportance result;
  result.matrix = Numbers(parts.train.columns, parts.train_of.columns);
  for (std::size_t j = 0; j < parts.train_of.columns; ++j) {
    const Boosted boosted = boosted_trees(parts.train, parts.train_of.column(j), parts.test);
    for (std::size_t i = 0; i < parts.train.columns; ++i) result.matrix(i, j) = boosted.importance[i];
    result.accuracy.push_back(accuracy(boosted.predicted, parts.test_of.column(j)));
  }
  return result;
}

double importance_disentanglement(const Numbers& matrix) { return concentration(matrix.transposed()); }
double importance_completeness(const Numbers& matrix) { return concentration(matrix); }

std::vector<double> explicitness(const Parts& parts) {
  std::vector<double> result;
  for (std::size_t j = 0; j < parts.train_of.columns; ++j) {
    const LinearClassifier classifier(parts.train, parts.train_of.column(j),
                                      {LinearOptions::Loss::kLogistic, 1, false});
    const Numbers probabilities = classifier.probabilities(parts.test);
    const std::vector<int> truth = parts.test_of.column(j);
    double sum = 0;
    for (std::size_t k = 0; k < classifier.classes().size(); ++k) {
      std::vector<bool> positive(truth.size());
      for (std::size_t n = 0; n < truth.size(); ++n) positive[n] = truth[n] == classifier.classes()[k];
      sum += area_under_curve(probabilities.column(k), positive);
    }
    result.push_back(sum / static_cast<double>(classifier.classes().size()));
  }
  return result;
}

}  // namespace variform::metrics
