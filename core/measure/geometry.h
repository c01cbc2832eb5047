#pragma once
// §8: the local geometry of the learned manifold. Every value is of one datum's own metric or Hessian and averaged only
// then: averaging matrices first would let signs off the diagonal cancel.

#include <variform/model.h>

#include <vector>

#include "base/watch.h"
#include "measure/section.h"

namespace variform::measure {

/// |M_ij| / √(M_ii M_jj) of M [B, d, d]; 0 in the rows and columns of a latent with M_ii = 0.
Tensor normalized(const Tensor& matrices);

/// Where the squares of the normalized matrix lie, as shares of their sum; 0 when there is nothing.
struct Shares {
  Tensor off_diagonal;  ///< [B]: within + across
  Tensor within;        ///< off the diagonal, in blocks, [B]
  Tensor across;        ///< between blocks, [B]
};
/// Of M [B, d, d], among the latents that `kept` [d] (bool) marks; blocks by their sizes, one of all latents when empty.
Shares shares(const Tensor& matrices, const Tensor& kept, const std::vector<int64_t>& blocks = {});

/// What the section "geometry" is made of. R data.
struct Manifold {
  Tensor metric;   ///< G = JᵀJ, [R, d, d] float64
  Tensor hessian;  ///< H = JᵀH_ℓJ, [R, d, d] float64; undefined where the likelihood has none
  Tensor active;   ///< latents that carry information, bool [d]
  std::vector<int64_t> blocks;  ///< sizes of the family's blocks; empty when it has none
};
/// Off-diagonal shares, singular values of J, log-volume, condition number; arrays metric and hessian (normalized: for
/// heat maps), singular_values, active, and blocks where there are any.
void add_local_geometry(Section& section, const Manifold& manifold);

/// Lengths of paths between two codes, on the manifold: of the decoder's output, [n] each.
struct PathLengths {
  Tensor straight, geodesic;
};
struct PathOptions {
  int64_t segments = 16;   ///< of the path that is optimised
  int64_t refinement = 4;  ///< segments for each of those, when lengths are measured
  int64_t iterations =
      40;  ///< of the energy; on images four times as many shorten paths by less than half a percent
  base::Watch watch = {};
};
/// From `from` to `to` [n, d]: straight in z, and the discretised geodesic: interior points that minimise the energy
/// Σ_t ‖g(z_{t+1}) − g(z_t)‖², from the straight line by descent with the inverse of the discrete Laplacian times
/// `metric` [d, d] (a typical G) as preconditioner, a step length a path that is halved when the energy does not fall.
/// The shorter of what was found and the straight line. No randomness.
PathLengths path_lengths(Model& model, const Tensor& from, const Tensor& to, const Tensor& metric,
                         const PathOptions& options = {});

/// Rows straight_length, geodesic_length and geodesic_ratio of the section, for codes [2n, d], neighbours paired.
void add_interpolations(Section& section, Model& model, const Tensor& codes, const Tensor& metric,
                        const base::Watch& watch = {});

}  // namespace variform::measure
