#pragma once
// Which latents carry information: for several metrics of this folder.

#include <variform/types.h>

#include <ATen/ATen.h>

namespace variform::metrics {

/// Latents whose code varies more than this over the data are active (Burda et al. 2016); so are directions whose
/// eigenvalue of E[H]/β is larger.
inline constexpr double kActive = 0.01;

/// Returns which latents have Var_x(h_i) > kActive: codes [N, d] -> bool [d] on the CPU; none for fewer than two rows.
inline Tensor active_latents(const Tensor& codes) {
  const Tensor wide = codes.to(at::kCPU, at::kDouble);
  if (wide.size(0) < 2) return at::zeros({wide.size(1)}, at::kBool);
  return wide.var(0) > kActive;
}

}  // namespace variform::metrics
