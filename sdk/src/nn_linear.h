#pragma once
// The product of Linear, and the conditions for using oneDNN.

#include <variform/types.h>

namespace variform {
inline namespace v2 {
namespace nn {

/// Whether oneDNN computes with the tensor: dense, float32, on a CPU, unless `--reference` has switched oneDNN off.
bool onednn_takes(const Tensor& tensor);

/// Whether it does so for both, and hand-written derivatives may be used, which support neither forward-mode
/// differentiation nor autocast.
bool by_hand_with_onednn(const Tensor& x, const Tensor& weight);

/// Computes at::linear: x [..., in] times weight [out, in]ᵀ, plus bias [out] where it is defined. Uses oneDNN for
/// float32 products of the sizes that the engine has chosen it for (variform/products.h): the same sums, in another
/// order. Also for all products under bfloat16 autocast on processors with instructions for it, with bfloat16
/// results like autocast's. Differentiable any number of times; forward-mode differentiation takes at::linear.
Tensor dense_linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

/// Computes at::relu of dense_linear(), with oneDNN in one operation.
Tensor rectified_linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace nn
}  // namespace v2
}  // namespace variform
