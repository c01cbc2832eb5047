#pragma once
// The mathematics of one batch that the model itself does not offer: a Gaussian posterior of our own (§4's optimum),
// and importance weights.

#include <variform/model.h>

#include <memory>
#include <string>

namespace variform::evaluate {

/// Σ_{i≠j} Ĥ²_ij / Σ Ĥ²_ij with Ĥ_ij = |H_ij| / √(H_ii H_jj) (§8), of H [B, d, d] -> [B]. Every latent counts alike,
/// but those with H_ii = 0 (the decoder does not depend on them) not at all; 0 when there is no other.
Tensor off_diagonal_share(const Tensor& hessian);

/// −log p(x|g(z)) for z [K, B, d] -> [K, B] float64, a few draws at a time so that memory stays bounded.
Tensor nll_of_draws(Model& model, const Tensor& x, const Tensor& z);

/// Importance-weighted bound on −log p(x) from K draws of q (§10): −log mean_k p(x|z_k) p(z_k) / q(z_k|x).
struct Importance {
  Tensor nll;        ///< [B]
  Tensor effective;  ///< effective number of draws, (Σw)²/Σw², [B]
  Tensor z;          ///< [K, B, d]
};
Importance importance_weighted(Model& model, const Posterior& posterior, const Tensor& x, int64_t K);

}  // namespace variform::evaluate
