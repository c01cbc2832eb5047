#pragma once
// Linear classifiers by liblinear, as the metrics use them: deterministic, since the primal problems are solved.

#include <vector>

#include "measure/disentanglement/arrays.h"

namespace variform::measure {

struct LinearOptions {
  enum class Loss { kSquaredHinge, kLogistic } loss = Loss::kSquaredHinge;
  double cost = 1;        ///< C of ½‖w‖² + C Σ loss, where the constant term is one of w
  bool balanced = false;  ///< C multiplied by N / (classes · N_k) for the positive examples of class k
};

/// One classifier against the rest for every class (one in all for two classes).
class LinearClassifier {
 public:
  /// x [N, d] and y [N], classes 0, 1, …; of which at least two occur. Throws std::invalid_argument when one alone does.
  LinearClassifier(const Numbers& x, const std::vector<int>& y, const LinearOptions& options);

  /// The class with the largest decision value, [N].
  std::vector<int> predict(const Numbers& x) const;
  /// The classes that the columns of probabilities() belong to.
  const std::vector<int>& classes() const { return classes_; }
  /// Of a logistic loss: 1/(1 + exp(−decision value)), scaled to the sum 1, [N, classes()].
  Numbers probabilities(const Numbers& x) const;

 private:
  std::vector<double> decisions(const double* x) const;
  std::vector<int> classes_;
  Numbers weights_;  // [d + 1, classes or 1]
};

/// Share of equal entries.
double accuracy(const std::vector<int>& predicted, const std::vector<int>& truth);

/// Area under the receiver operating characteristic of `score` for the rows with `positive`, ties counted half; 0.5 when
/// there are no rows of one kind.
double area_under_curve(const std::vector<double>& score, const std::vector<bool>& positive);

}  // namespace variform::measure
