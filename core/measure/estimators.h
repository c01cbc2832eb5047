#pragma once
// Computes for one batch what the model itself does not offer: derivatives at the codes, losses of many draws, and
// importance weights.

#include <variform/model.h>

#include <functional>
#include <memory>
#include <string>

#include "measure/short_jacobian.h"

namespace variform::measure {

/// G = JᵀJ at z [B, d] -> [B, d, d] float64, J taken over the decoder's outputs, and H = JᵀH_ℓJ likewise from the same
/// pushforward, for a few rows at a time; where H_ℓ = c I, H = cG, from the short Jacobian if there is one. Where the
/// likelihood lacks this curvature, H is undefined and `why` says so. Throws Unsupported when the decoder mixes rows.
struct LocalDerivatives {
  Tensor metric, hessian;
  std::string why;
};
LocalDerivatives local_derivatives(Model& model, ShortJacobian& short_jacobian, const Tensor& x,
                                   const Tensor& z, Curvature curvature);

/// Returns the share of the sum of squares of M_ij/√(M_ii M_jj) that is off the diagonal, M [B, d, d] -> [B] (§8); 0
/// in the rows and columns of a latent with M_ii = 0.
Tensor off_diagonal_share(const Tensor& matrices);

/// Computes all of ∇²F_x(z), F_x(z) = ℓ(x, g(z)), by differentiating twice: [B, d, d] float64 (§3). Gauss–Newton's H is
/// its first part. Throws Unsupported where the model cannot be differentiated twice.
Tensor full_hessian(Model& model, const Tensor& x, const Tensor& z);

/// Whether q's density is the same at draws z [K, B, d] and at their mirror images 2h − z; false when it is unknown.
bool is_symmetric(const Posterior& posterior, const Tensor& z);

/// Computes −log p(x|g(z)) for z [K, B, d] -> [K, B] float64, a few draws at a time so that memory stays bounded.
/// `between`, if given, is called between them with the share that is done; it may throw.
using Between = std::function<void(double share)>;
Tensor nll_of_draws(Model& model, const Tensor& x, const Tensor& z, const Between& between = {});

/// Importance-weighted bound on −log p(x) from K draws of q (§10): −log mean_k p(x|z_k) p(z_k) / q(z_k|x).
struct Importance {
  Tensor nll;        ///< [B]
  Tensor effective;  ///< effective number of draws, (Σw)²/Σw², [B]
  Tensor z;          ///< [K, B, d]
};
Importance importance_weighted(Model& model, const Posterior& posterior, const Tensor& x, int64_t K,
                               const Between& between = {});

}  // namespace variform::measure
