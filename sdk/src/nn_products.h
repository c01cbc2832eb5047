#pragma once
// Products of tangents with hand-written derivatives, which are faster than those of autograd.

#include <variform/types.h>

namespace variform {
inline namespace v2 {
namespace nn {

/// Computes the inner products of v [T, N, in] after the linear map W [out, in]: vWᵀWvᵀ per row, [N, T, T]. Takes the
/// cheaper of two ways: by vWᵀ [T, N, out], or by WᵀW [in, in], which all rows share.
Tensor linear_gram(const Tensor& v, const Tensor& weight);

/// Computes W (s_n ∘ r_t) for all n and t: scales s [N, in], rows r [T, in], W [out, in] -> [T, N, out]. The gradients
/// of r and W come from one product instead of two, and no tensor [T, N, in] is kept for them.
Tensor scaled_product(const Tensor& scales, const Tensor& rows, const Tensor& weight);

}  // namespace nn
}  // namespace v2
}  // namespace variform
