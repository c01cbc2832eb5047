#pragma once
// Measures sample quality: how far the images of a model are from real ones, in the features of a named classifier.

#include <variform/types.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/watch.h"
#include "model/feature_network.h"

namespace variform::model {
struct Session;
}

namespace variform::measure {

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
/// memory. Throws std::invalid_argument unless both have more than k rows.
PrecisionRecall precision_recall(const Tensor& real, const Tensor& made, std::int64_t k = 3);

struct QualityOptions {
  std::string split = "test";    ///< of the real images: train or test
  std::int64_t images = 10'000;  ///< of each kind, or as many as the split has
  std::int64_t neighbours = 3;   ///< k of precision and recall
  base::Watch watch = {};        ///< part "quality", counted in images
};

/// Returns the network, trained on first need (train/features.h); throws Unsupported when there can be none.
using FeatureNetworkOf = std::function<model::FeatureNetwork()>;

/// The names of the section's values, without the network's name.
std::vector<std::string> quality_metrics();

/// Computes a section of an evaluation's result (evaluate.h), which compares N real images, evenly spread over the
/// split, with N of the model in the features of `network`: frechet_samples, precision and recall of the means of the
/// likelihood at draws of the prior; frechet_reconstructions of those at the encodings of the same real images; and for
/// scale frechet_real, precision_real and recall_real of N real images of the other split. Each name ends with the
/// network's in brackets, which contains the checksum of its weights: values of different networks must not be
/// compared. Standard errors: jackknife over 10 groups of images for Fréchet distances; binomial, with fixed
/// neighbourhoods, for precision and recall. Everything is { undefined } where there is no network (data without
/// labels, …). Throws Interrupted when options.watch stops it. Deterministic.
nlohmann::json quality(model::Session& session, const FeatureNetworkOf& network,
                       const QualityOptions& options = {});

}  // namespace variform::measure
