#pragma once
// Computes for one batch what the model itself does not offer: derivatives at the codes, losses of many draws.

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
LocalDerivatives local_derivatives(Model& model, ShortJacobian& short_jacobian, const Batch& batch,
                                   const Tensor& z, Curvature curvature);

/// Computes −log p(x|g(z)) for z [K, B, d] -> [K, B] float64, a few draws at a time so that memory stays bounded.
/// `between`, if given, is called between them with the share that is done; it may throw.
using Between = std::function<void(double share)>;
Tensor nll_of_draws(Model& model, const Batch& batch, const Tensor& z, const Between& between = {});

}  // namespace variform::measure
