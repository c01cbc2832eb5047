#pragma once
// What the second-order expansion of a loss needs of a model (theory §3).

#include <variform/model.h>

namespace variform::metrics {

/// Computes all of ∇²F_x(z), F_x(z) = ℓ(x, g(z)), by differentiating twice: [B, d, d] float64. Gauss–Newton's H is its
/// first part. Throws Unsupported where the model cannot be differentiated twice.
Tensor full_hessian(Model& model, const Tensor& x, const Tensor& z, const Context& context);

/// Whether q's density is the same at draws z [K, B, d] and at their mirror images 2h − z; false when it is unknown.
bool is_symmetric(const Posterior& posterior, const Tensor& z);

}  // namespace variform::metrics
