#pragma once
// How far two sets of features lie apart: Fréchet distance, precision and recall.

#include <variform/types.h>

#include <cstdint>

namespace variform::metrics {

/// Computes the squared Fréchet (2-Wasserstein) distance between two Gaussians (Dowson and Landau 1982):
/// ‖m₁ − m₂‖² + tr(C₁ + C₂ − 2 (C₁^½ C₂ C₁^½)^½). Means [d], covariances [d, d] symmetric and positive semidefinite,
/// float64.
double frechet_distance(const Tensor& mean1, const Tensor& covariance1, const Tensor& mean2,
                        const Tensor& covariance2);

struct PrecisionRecall {
  double precision = 0;  ///< share of made rows within the real ones' neighbourhoods
  double recall = 0;     ///< share of real rows within the made ones' neighbourhoods
};

/// Computes improved precision and recall (Kynkäänniemi et al. 2019): a row's neighbourhood is the closed ball up to
/// its k-th nearest other row of the same set. real [N, d], made [M, d], float64 on the CPU. Works in chunks to bound
/// memory. Throws Error unless both have more than k rows.
PrecisionRecall precision_recall(const Tensor& real, const Tensor& made, std::int64_t k = 3);

}  // namespace variform::metrics
