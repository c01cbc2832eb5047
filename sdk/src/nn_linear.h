#pragma once
// The product behind Linear.

#include <variform/types.h>

namespace variform {
inline namespace v1 {
namespace nn {

/// at::linear: x [..., in] times weight [out, in]ᵀ, plus bias [out] where it is defined. Large float32 products go to
/// oneDNN on processors whose AVX-512 LibTorch's MKL leaves unused (all but Intel's): the same sums, in another order.
/// Differentiable any number of times; forward-mode differentiation and autocast take at::linear.
Tensor dense_linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace nn
}  // namespace v1
}  // namespace variform
