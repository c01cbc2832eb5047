#pragma once
// The local geometry of the learned manifold (§8). Every value is computed per row, from its own metric or Hessian, and
// then averaged: averaging matrices first would let signs off the diagonal cancel.

#include <variform/metric.h>
#include <variform/model.h>

#include <vector>

#include "progress.h"

namespace variform::metrics {

/// Returns |M_ij| / √(M_ii M_jj) of M [B, d, d]; 0 in the rows and columns of a latent with M_ii = 0.
Tensor normalized(const Tensor& matrices);

/// Returns the share of the sum of squares of normalized(M) that is off the diagonal, M [B, d, d] -> [B].
Tensor off_diagonal_share(const Tensor& matrices);

/// Shares of the sum of squares of the normalized matrix; 0 when the sum is.
struct Shares {
  Tensor off_diagonal;  ///< [B]: within + across
  Tensor within;        ///< off the diagonal, in blocks, [B]
  Tensor across;        ///< between blocks, [B]
};
/// Computes the shares of M [B, d, d], among the latents that `kept` [d] (bool) marks. `blocks` are sizes; empty: one
/// block of all latents.
Shares shares(const Tensor& matrices, const Tensor& kept, const std::vector<int64_t>& blocks = {});

/// The input of the section "geometry", for R rows.
struct Manifold {
  Tensor metric;   ///< G = JᵀJ, [R, d, d] float64
  Tensor hessian;  ///< H = JᵀH_ℓJ, [R, d, d] float64; undefined where the likelihood has none
  Tensor active;   ///< latents that carry information, bool [d]
  std::vector<int64_t> blocks;  ///< sizes of the family's blocks; empty when it has none
};
/// Adds off-diagonal shares, singular values of J, log-volume and condition number; arrays metric and hessian
/// (normalized: for heat maps), singular_values, active, and blocks where there are any.
void add_local_geometry(Findings& findings, const Manifold& manifold);

/// G and H of the first rows: at most 2^23 numbers each, in whole batches of 256 rows, whatever batches they come in.
struct FirstMatrices {
  std::vector<Tensor> metrics, hessians;  ///< [·, d, d] on the CPU
  int64_t rows = 0;

  /// Adds what still fits; `hessian` may be undefined.
  void add(const Tensor& metric, const Tensor& hessian);
};

/// Lengths of paths between two codes, measured in the decoder's output, [n] each.
struct PathLengths {
  Tensor straight, geodesic;
};
struct PathOptions {
  Context context = {};    ///< of the n paths, each of which keeps one condition
  int64_t segments = 16;   ///< of the path that is optimised
  int64_t refinement = 4;  ///< segments for each of those when lengths are measured
  int64_t iterations =
      40;  ///< of the descent; on images four times as many shorten paths by less than half a percent
  Progress progress = {};
};
/// Computes the lengths from `from` to `to` [n, d] of the line that is straight in z, and of the discretised geodesic,
/// whose interior points minimise the energy Σ_t ‖g(z_{t+1}) − g(z_t)‖². The descent starts at the straight line, with
/// the inverse of the discrete Laplacian times `metric` [d, d] (a typical G) as preconditioner, and a step length per
/// path that is halved when the energy does not fall. The geodesic is never the longer one. No randomness.
PathLengths path_lengths(Model& model, const Tensor& from, const Tensor& to, const Tensor& metric,
                         const PathOptions& options = {});

}  // namespace variform::metrics
