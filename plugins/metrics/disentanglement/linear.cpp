// See linear.h. The only file that knows liblinear, whose header puts `train`, `model` and the like into the global
// namespace.

#include "linear.h"

#include <linear.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <stdexcept>

namespace variform::metrics {
namespace {

constexpr double kTolerance = 1e-6;  // relative norm of the gradient; liblinear's default is 0.01

// Asks for a regularised constant term, which liblinear has had to be asked for since 2.40.
template <class Parameter>
void regularise_constant(Parameter& parameter) {
  if constexpr (requires { parameter.regularize_bias; }) parameter.regularize_bias = 1;
}

// liblinear's sparse rows: 1-based index and value, then the constant term, then the end.
struct SparseRows {
  explicit SparseRows(const Numbers& x) : nodes(x.rows * (x.columns + 2)), rows(x.rows) {
    for (std::size_t n = 0; n < x.rows; ++n) {
      feature_node* row = &nodes[n * (x.columns + 2)];
      rows[n] = row;
      for (std::size_t i = 0; i < x.columns; ++i) row[i] = {static_cast<int>(i) + 1, x(n, i)};
      row[x.columns] = {static_cast<int>(x.columns) + 1, 1.0};
      row[x.columns + 1] = {-1, 0.0};
    }
  }
  std::vector<feature_node> nodes;
  std::vector<feature_node*> rows;
};

struct FreeModel {
  void operator()(::model* model) const { ::free_and_destroy_model(&model); }
};

}  // namespace

LinearClassifier::LinearClassifier(const Numbers& x, const std::vector<int>& y,
                                   const LinearOptions& options) {
  const auto [numbers, count] = numbered({y.begin(), y.end()});
  if (count < 2)
    throw std::invalid_argument("a classifier needs examples of at least two classes, found " +
                                std::to_string(count) + ".");
  SparseRows rows(x);
  std::vector<double> labels(numbers.begin(), numbers.end()), weights(static_cast<std::size_t>(count));
  for (int k : numbers) weights[static_cast<std::size_t>(k)] += 1;
  for (double& weight : weights) weight = static_cast<double>(y.size()) / (count * weight);
  std::vector<int> weight_labels(weights.size());
  std::iota(weight_labels.begin(), weight_labels.end(), 0);

  ::problem problem{};
  problem.l = static_cast<int>(x.rows);
  problem.n = static_cast<int>(x.columns) + 1;
  problem.y = labels.data();
  problem.x = rows.rows.data();
  problem.bias = 1;
  ::parameter parameter{};
  parameter.solver_type = options.loss == LinearOptions::Loss::kLogistic ? L2R_LR : L2R_L2LOSS_SVC;
  parameter.eps = kTolerance;
  parameter.C = options.cost;
  if (options.balanced) {
    parameter.nr_weight = count;
    parameter.weight_label = weight_labels.data();
    parameter.weight = weights.data();
  }
  regularise_constant(parameter);
  ::set_print_string_function([](const char*) {});
  const std::unique_ptr<::model, FreeModel> model(::train(&problem, &parameter));

  std::vector<std::int64_t> original(static_cast<std::size_t>(count));
  for (std::size_t n = 0; n < y.size(); ++n) original[static_cast<std::size_t>(numbers[n])] = y[n];
  for (int k = 0; k < model->nr_class; ++k)
    classes_.push_back(static_cast<int>(original[static_cast<std::size_t>(model->label[k])]));
  weights_ = Numbers(x.columns + 1, count == 2 ? 1 : static_cast<std::size_t>(count));
  std::copy_n(model->w, weights_.values.size(), weights_.values.begin());
}

std::vector<double> LinearClassifier::decisions(const double* x) const {
  std::vector<double> sums(weights_.columns);
  for (std::size_t i = 0; i < weights_.rows; ++i)
    for (std::size_t k = 0; k < sums.size(); ++k)
      sums[k] += weights_(i, k) * (i + 1 < weights_.rows ? x[i] : 1.0);
  return sums;
}

std::vector<int> LinearClassifier::predict(const Numbers& x) const {
  std::vector<int> result(x.rows);
  for (std::size_t n = 0; n < x.rows; ++n) {
    const std::vector<double> values = decisions(&x.values[n * x.columns]);
    const auto best =
        static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
    result[n] = values.size() == 1 ? classes_[values[0] > 0 ? 0 : 1] : classes_[best];
  }
  return result;
}

Numbers LinearClassifier::probabilities(const Numbers& x) const {
  Numbers result(x.rows, classes_.size());
  for (std::size_t n = 0; n < x.rows; ++n) {
    std::vector<double> values = decisions(&x.values[n * x.columns]);
    for (double& value : values) value = 1 / (1 + std::exp(-value));
    if (values.size() == 1) values.push_back(1 - values[0]);
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    for (std::size_t k = 0; k < values.size(); ++k) result(n, k) = values[k] / sum;
  }
  return result;
}

double accuracy(const std::vector<int>& predicted, const std::vector<int>& truth) {
  std::size_t equal = 0;
  for (std::size_t n = 0; n < truth.size(); ++n) equal += predicted[n] == truth[n];
  return static_cast<double>(equal) / static_cast<double>(truth.size());
}

double area_under_curve(const std::vector<double>& score, const std::vector<bool>& positive) {
  std::vector<std::size_t> order(score.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score[a] < score[b]; });
  double rank_sum = 0, positives = 0;
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first, among = 0;
    for (; last < order.size() && score[order[last]] == score[order[first]]; ++last)
      among += positive[order[last]];
    rank_sum +=
        static_cast<double>(among) * 0.5 * static_cast<double>(first + 1 + last);  // mean rank of the tie
    positives += static_cast<double>(among);
    first = last;
  }
  const double negatives = static_cast<double>(score.size()) - positives;
  if (positives == 0 || negatives == 0) return 0.5;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

}  // namespace variform::metrics
