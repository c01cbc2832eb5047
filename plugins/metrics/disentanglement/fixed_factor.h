#pragma once
// Metrics that draw batches in which one factor is fixed, and test whether the latents tell which: the scores of
// FactorVAE and of β-VAE. Batches are drawn, with replacement, from the rows that have the value. If the rows are a
// complete grid of the factors, this is the published protocol.

#include <cstdint>
#include <vector>

#include "arrays.h"

namespace variform::metrics {

/// The published sizes.
struct BatchProtocol {
  std::size_t train = 10000, test = 5000;  ///< points for the classifier, one batch each
  std::size_t batch = 64;                  ///< rows, or pairs of rows, per batch
};

struct Accuracy {
  double value = 0, error = 0;  ///< on the test points; √(p(1 − p)/n)
};

/// FactorVAE's score (Kim and Mnih 2018): a point is the latent with the smallest variance in a batch that shares one
/// factor's value, relative to its variance over all rows; a majority vote says which factor that means. Latents whose
/// variance over all rows is below `least_variance` are left out (Locatello et al. 2019, appendix: 0.05). Returns 0
/// when none is left; the caller should then report the score as not defined.
Accuracy factor_vae_score(const Numbers& codes, const Classes& factors, std::uint64_t seed,
                          double least_variance = 0.05, const BatchProtocol& protocol = {});

/// β-VAE's score (Higgins et al. 2017): a point is the mean |z − z'| over pairs that share one factor's value; logistic
/// regression (C = 1, one factor against the rest) tells which factor.
Accuracy beta_vae_score(const Numbers& codes, const Classes& factors, std::uint64_t seed,
                        const BatchProtocol& protocol = {});

/// Whether any column varies by more than the rounding of float32. Those of a collapsed model do not.
bool any_varies(const Numbers& codes);

/// Variances of the columns, divided by N − 1.
std::vector<double> variances(const Numbers& codes);

}  // namespace variform::metrics
