#pragma once
// Metrics from the mutual information of one discretised latent and one factor, and the interventional score. Nothing
// here is trained or drawn.

#include <vector>

#include "arrays.h"

namespace variform::metrics {

/// The number of bins in the protocol of Locatello et al. 2019.
inline constexpr int kBins = 20;

/// The bin of each value in a histogram of `bins` equal bins between the smallest and the largest value, 0 … bins − 1;
/// edges belong to the bin above, the largest value to the last. A constant column lies in one bin.
std::vector<int> histogram_bins(const std::vector<double>& values, int bins = kBins);

/// Mutual information in nats of two columns of classes, from their joint frequencies.
double mutual_information(const std::vector<int>& a, const std::vector<int>& b);

/// Entropy in nats of a column of classes.
double entropy(const std::vector<int>& a);

/// Mutual information of every discretised latent and every factor, nats, [d, F].
Numbers mutual_information(const Numbers& codes, const Classes& factors, int bins = kBins);

/// Mutual information gap (Chen et al. 2018): (largest − second largest of a factor's column) / H(factor), averaged
/// over the factors. `information` [d, F], d ≥ 2; `entropies` [F], all above 0.
double mutual_information_gap(const Numbers& information, const std::vector<double>& entropies);

/// Modularity (Ridgeway and Mozer 2018): 1 − Σ_{f ≠ f*} I_f² / (I_f*² (F − 1)) of every latent, f* its best factor,
/// averaged over the latents; a latent without information counts 0, as in Locatello et al. F ≥ 2.
double modularity(const Numbers& information);

/// Interventional robustness (Suter et al. 2019), 1 − (0.99 quantile of |z_i − E[z_i|g_j]| averaged over the values of
/// factor j) / max |z_i − E z_i|, [d, F]; the row of a constant latent is 0.
Numbers interventional_robustness(const Numbers& codes, const Classes& factors);

/// The score: each latent's best entry of `robustness`, averaged with its max |z_i − E z_i| as weight, so that constant
/// latents do not count; 0 when all are constant.
double interventional_robustness_score(const Numbers& codes, const Numbers& robustness);

}  // namespace variform::metrics
