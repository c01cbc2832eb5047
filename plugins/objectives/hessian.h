#pragma once
// The Hessian of a function of each row's latents, by differentiating twice; for `taylor` and `grae`.

#include <variform/types.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>
#include <vector>

namespace variform::objectives {

/// Computes f(z) [B] and ∇²f [B, d, d] float64 at h [B, d], per row, since f's rows must not interact. Both are
/// differentiable where gradients are recorded.
template <class Function>
std::pair<Tensor, Tensor> value_and_hessian(const Tensor& h, const Function& f) {
  const bool recorded = at::GradMode::is_enabled();
  const at::AutoGradMode on(true);
  const Tensor z = h.requires_grad() ? h : h.detach().requires_grad_(true);
  const Tensor value = f(z);
  const Tensor slope = torch::autograd::grad({value.sum()}, {z}, {}, true, true)[0];  // [B, d]
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < z.size(1); ++i) {
    const Tensor row = slope.requires_grad() ? torch::autograd::grad({slope.select(1, i).sum()}, {z}, {},
                                                                     true, recorded, /*allow_unused=*/true)[0]
                                             : Tensor();
    rows.push_back(row.defined() ? row : at::zeros_like(z));
  }
  return {value, at::stack(rows, 1).to(at::kDouble)};
}

}  // namespace variform::objectives
