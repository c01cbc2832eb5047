// See boosting.h. The only file that knows xgboost.

#include "boosting.h"

#include <xgboost/c_api.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>

namespace variform::metrics {
namespace {

constexpr int kRounds = 100;

void need(int status) {
  if (status != 0)
    throw std::runtime_error(std::string("xgboost, which DCI needs, failed: ") + XGBGetLastError());
}

struct FreeMatrix {
  void operator()(void* handle) const { XGDMatrixFree(handle); }
};
struct FreeBooster {
  void operator()(void* handle) const { XGBoosterFree(handle); }
};
using Matrix = std::unique_ptr<void, FreeMatrix>;
using Booster = std::unique_ptr<void, FreeBooster>;

Matrix matrix_of(const Numbers& x) {
  const std::vector<float> values(x.values.begin(), x.values.end());
  DMatrixHandle handle = nullptr;
  need(XGDMatrixCreateFromMat(values.data(), x.rows, x.columns, std::numeric_limits<float>::quiet_NaN(),
                              &handle));
  return Matrix(handle);
}

// Makes a booster with λ = 0 and no least weight: the gain of a split is then the decrease of the squared error.
Booster booster_for(const Matrix& data, int classes) {
  DMatrixHandle handle = data.get();
  BoosterHandle booster = nullptr;
  need(XGBoosterCreate(&handle, 1, &booster));
  Booster owned(booster);
  const std::pair<const char*, std::string> settings[] = {{"objective", "multi:softprob"},
                                                          {"num_class", std::to_string(classes)},
                                                          {"max_depth", "3"},
                                                          {"eta", "0.1"},
                                                          {"lambda", "0"},
                                                          {"min_child_weight", "0"},
                                                          {"tree_method", "hist"},
                                                          {"nthread", "1"},
                                                          {"seed", "0"},
                                                          {"verbosity", "0"}};
  for (const auto& [name, value] : settings) need(XGBoosterSetParam(booster, name, value.c_str()));
  return owned;
}

// Class probabilities, [N, classes]; valid until the booster is used again.
const float* probabilities(const Booster& booster, const Matrix& data) {
  const bst_ulong* shape = nullptr;
  bst_ulong dimensions = 0;
  const float* result = nullptr;
  need(XGBoosterPredictFromDMatrix(
      booster.get(), data.get(),
      R"({"type": 0, "training": false, "iteration_begin": 0, "iteration_end": 0, "strict_shape": true})",
      &shape, &dimensions, &result));
  return result;
}

// Fits one tree per class to the residuals of the softmax by squared error (a constant curvature 1/K, that of an
// undecided softmax but for 1 − 1/K). xgboost's own objective weighs a split by the curvature at each row instead,
// which gives importance to latents that split rows whose class is already certain: on dSprites its scores differ by
// 0.05 from those of Friedman's trees.
void boost(const Booster& booster, const Matrix& data, const std::vector<int>& y, int classes) {
  const float* now = probabilities(booster, data);
  std::vector<float> gradient(now, now + y.size() * static_cast<std::size_t>(classes));
  std::vector<float> curvature(gradient.size(), 1.0F / static_cast<float>(classes));
  for (std::size_t n = 0; n < y.size(); ++n)
    gradient[n * static_cast<std::size_t>(classes) + static_cast<std::size_t>(y[n])] -= 1;
  need(XGBoosterBoostOneIter(booster.get(), data.get(), gradient.data(), curvature.data(), gradient.size()));
}

std::vector<double> importance_of(const Booster& booster, std::size_t inputs) {
  bst_ulong count = 0, dimensions = 0;
  const char** names = nullptr;
  const bst_ulong* shape = nullptr;
  const float* scores = nullptr;
  need(XGBoosterFeatureScore(booster.get(), R"({"importance_type": "total_gain"})", &count, &names,
                             &dimensions, &shape, &scores));
  std::vector<double> importance(inputs);
  for (bst_ulong i = 0; i < count; ++i) importance.at(std::stoul(names[i] + 1)) = scores[i];  // "f3"
  const double total = std::accumulate(importance.begin(), importance.end(), 0.0);
  if (total > 0)
    for (double& share : importance) share /= total;
  return importance;
}

std::vector<int> predicted_by(const Booster& booster, const Numbers& x, int classes) {
  const Matrix data = matrix_of(x);
  const float* result = probabilities(booster, data);
  std::vector<int> predicted;
  for (std::size_t n = 0; n < x.rows; ++n, result += classes)
    predicted.push_back(static_cast<int>(std::max_element(result, result + classes) - result));
  return predicted;
}

}  // namespace

Boosted boosted_trees(const Numbers& x, const std::vector<int>& y, const Numbers& test) {
  const int classes = *std::max_element(y.begin(), y.end()) + 1;
  const Matrix data = matrix_of(x);
  const Booster booster = booster_for(data, classes);
  for (int round = 0; round < kRounds; ++round) boost(booster, data, y, classes);
  return {importance_of(booster, x.columns), predicted_by(booster, test, classes)};
}

}  // namespace variform::metrics
