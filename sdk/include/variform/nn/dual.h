#pragma once
// Functions of tensors that carry tangents: what a decoder that writes its own pushforward is made of, and the layers
// of attention.h. Each takes g [N, …] with jv [T, N, …] and gives both of its value, exactly, in operations whose
// gradients are right; g is computed once for all tangents. Dimensions are counted from the end (−1: the last), so that
// they are the same for g and jv. Unless a function says otherwise, the rules of variform/nn/layer.h hold; shapes: g
// [N, …] and jv [T, N, …] of what is given and of the result; errors: throws Error for a dimension that is not counted
// from the end, and what LibTorch throws for shapes that do not fit; thread: any.

#include <variform/decoder.h>

#include <vector>

namespace variform {
inline namespace v2 {
namespace nn {

/// A tensor that does not depend on the latents, [N or 1, …], with T tangents of 0.
VARIFORM_API Pushed constant(const Tensor& value, int64_t tangents);
/// a + b; shapes broadcast.
VARIFORM_API Pushed add(const Pushed& a, const Pushed& b);
/// a · b, elementwise; shapes broadcast.
VARIFORM_API Pushed multiply(const Pushed& a, const Pushed& b);
/// a b, products of matrices in the last two dimensions, [N, …, p, q] and [N, …, q, r] -> [N, …, p, r].
VARIFORM_API Pushed matmul(const Pushed& a, const Pushed& b);
/// Along a dimension from the end; all others agree.
VARIFORM_API Pushed concatenate(const std::vector<Pushed>& parts, int64_t dim = -1);
/// `length` entries of a dimension from the end, from `start` on: the parts of a split.
VARIFORM_API Pushed narrow(const Pushed& x, int64_t dim, int64_t start, int64_t length);
/// exp(x)/Σ exp(x) along a dimension: tangent y (v − Σ y v).
VARIFORM_API Pushed softmax(const Pushed& x, int64_t dim = -1);
/// log softmax: tangent v − Σ y v.
VARIFORM_API Pushed log_softmax(const Pushed& x, int64_t dim = -1);
/// log Σ exp(x) along a dimension, which stays with size 1.
VARIFORM_API Pushed logsumexp(const Pushed& x, int64_t dim = -1);
/// softmax(q kᵀ/√d) v (Vaswani et al. 2017, eq. 1): q [N, …, L, d], k [N, …, S, d], v [N, …, S, e] -> [N, …, L, e],
/// where "…" may be heads.
VARIFORM_API Pushed attention(const Pushed& q, const Pushed& k, const Pushed& v);
/// (x − mean)/√(variance + ε) over the last `dims` dimensions, times weight plus bias, of that shape; both may be
/// undefined (Ba et al. 2016). LibTorch's fused layer_norm gives silently wrong gradients of losses on tangents.
VARIFORM_API Pushed layer_norm(const Pushed& x, int64_t dims = 1, const Tensor& weight = {},
                               const Tensor& bias = {}, double epsilon = 1e-5);
/// x/√(mean x² + ε) over the last dimension, times weight (Zhang and Sennrich 2019).
VARIFORM_API Pushed rms_norm(const Pushed& x, const Tensor& weight = {}, double epsilon = 1e-5);
/// x/max(|x|, ε) along a dimension: on the unit sphere.
VARIFORM_API Pushed l2_normalise(const Pushed& x, int64_t dim = -1, double epsilon = 1e-12);

}  // namespace nn
}  // namespace v2
}  // namespace variform
