#pragma once
// The product behind Linear, and when layers may go to oneDNN.

#include <variform/types.h>

namespace variform {
inline namespace v1 {
namespace nn {

/// Whether oneDNN computes with the tensor: dense, float32, on a CPU, unless `--reference` has switched oneDNN off.
bool onednn_takes(const Tensor& tensor);

/// Whether it does with both and their derivatives may be written by hand, which know neither forward-mode
/// differentiation nor autocast.
bool by_hand_with_onednn(const Tensor& x, const Tensor& weight);

/// at::linear: x [..., in] times weight [out, in]ᵀ, plus bias [out] where it is defined. Large float32 products go to
/// oneDNN on processors whose AVX-512 LibTorch's MKL leaves unused (all but Intel's): the same sums, in another order.
/// Under bfloat16 autocast so do all on processors with instructions for it, with bfloat16 results as autocast's.
/// Differentiable any number of times; forward-mode differentiation takes at::linear.
Tensor dense_linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

/// at::relu of dense_linear(), by oneDNN in one operation.
Tensor rectified_linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace nn
}  // namespace v1
}  // namespace variform
