#pragma once
// Products of tangents that are worth a derivative written by hand.

#include <variform/types.h>

namespace variform {
inline namespace v1 {
namespace nn {

/// The inner products of v [T, N, in] after the linear map W [out, in]: vWᵀWvᵀ of each datum, [N, T, T]. The shorter
/// of two ways to the same numbers: by vWᵀ [T, N, out], or by WᵀW [in, in], which is one for all data.
Tensor linear_gram(const Tensor& v, const Tensor& weight);

/// W (s_n ∘ r_t) for all data and directions: scales s [N, in], rows r [T, in], W [out, in] -> [T, N, out]. The gradients
/// of rows and weight come from one product, where a tensor [T, N, in] in between would take two, and none is kept.
Tensor scaled_product(const Tensor& scales, const Tensor& rows, const Tensor& weight);

}  // namespace nn
}  // namespace v1
}  // namespace variform
