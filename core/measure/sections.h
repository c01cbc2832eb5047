#pragma once
// Computes the sections of an evaluation that are about all its data at once, from what is gathered of each batch.

#include <optional>
#include <string>
#include <vector>

#include "base/watch.h"
#include "measure/estimators.h"
#include "measure/information.h"
#include "measure/section.h"

namespace variform::measure {

/// The values of all rows, one tensor per batch; on the CPU but for the codes.
struct Gathered {
  std::vector<Tensor> codes;  ///< h [B, d]
  std::vector<Tensor> metrics,
      hessians;                         ///< G and H [B, d, d], of the first rows only: see keep_matrices()
  Tensor hessian_sum;                   ///< Σ H over all data, [d, d]; undefined: none
  std::vector<Tensor> variance_ratios;  ///< Σ_ii / Σ*_ii, [B, d]
  std::vector<Tensor> to_optimum;       ///< KL(N(h, Σ) ‖ N(h, Σ*)), [B]
  Tensor learned_variances,
      optimal_variances;          ///< Σ_ii and Σ*_ii of the first rows, kVariances at most, [·, d]
  std::vector<Tensor> latent_kl;  ///< [B, d]
  bool latent_kl_closed = false;  ///< not by Monte Carlo
  std::string no_latent_kl;       ///< why there is none
  AggregatePosterior aggregate;   ///< empty where q has no draws

  static constexpr int64_t kVariances = 64;
  int64_t matrix_rows = 0, kept_rows = 0;  ///< how many G and H are kept at most, and are kept

  /// Bounds G and H to 2^23 numbers each, in whole batches of `batch` rows, whatever the size of the added batches.
  void keep_matrices(int64_t latent, int64_t batch);
  void add(const LocalDerivatives& local);
  /// Adds a batch's own covariance Σ and the optimal one Σ*.
  void add(const Covariance& own, const Covariance& best);
  void add(Model& model, std::unique_ptr<Posterior> posterior, const Draw& draw,
           const std::optional<Gaussian>& prior);
};

/// Computes the section "information" (evaluate.h).
Section information_section(const Gathered& gathered, Model& model, const std::optional<double>& beta,
                            const base::Watch& watch = {});

/// Computes the section "geometry". `contrast` [N] or undefined; `no_jacobian` says why there is no G. Pairs of rows
/// for the interpolations are drawn from model.rng.
Section geometry_section(const Gathered& gathered, Model& model, const std::vector<int64_t>& blocks,
                         const Tensor& contrast, const std::string& no_jacobian,
                         const base::Watch& watch = {});

/// Computes the section "covariance"; `no_optimum` says why there is no optimal covariance.
Section covariance_section(const Gathered& gathered, const std::string& no_optimum);

}  // namespace variform::measure
