#pragma once
// Linear classifiers by liblinear, as the metrics use them: deterministic, since the primal problems are solved.

#include <vector>

#include "arrays.h"

namespace variform::metrics {

struct LinearOptions {
  enum class Loss { kSquaredHinge, kLogistic } loss = Loss::kSquaredHinge;
  double cost = 1;        ///< C of ½‖w‖² + C Σ loss, where the constant term is one of w
  bool balanced = false;  ///< C multiplied by N / (classes · N_k) for the positive examples of class k
};

/// One classifier against the rest per class (a single one for two classes).
class LinearClassifier {
 public:
  /// Trains on x [N, d] and y [N], classes 0, 1, …. Throws std::invalid_argument unless at least two of them occur.
  LinearClassifier(const Numbers& x, const std::vector<int>& y, const LinearOptions& options);

  /// Returns the class with the largest decision value, [N].
  std::vector<int> predict(const Numbers& x) const;
  /// The classes that the columns of probabilities() belong to.
  const std::vector<int>& classes() const { return classes_; }
  /// For the logistic loss: 1/(1 + exp(−decision value)), scaled to the sum 1, [N, classes()].
  Numbers probabilities(const Numbers& x) const;

 private:
  std::vector<double> decisions(const double* x) const;
  std::vector<int> classes_;
  Numbers weights_;  // [d + 1, classes or 1]
};

/// Share of equal entries.
double accuracy(const std::vector<int>& predicted, const std::vector<int>& truth);

/// Area under the receiver operating characteristic of `score` for the rows with `positive`, ties counted half; 0.5
/// when all rows are of one kind.
double area_under_curve(const std::vector<double>& score, const std::vector<bool>& positive);

}  // namespace variform::metrics
