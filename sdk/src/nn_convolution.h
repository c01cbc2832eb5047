#pragma once
// The convolutions of Conv2d and ConvTranspose2d, and the memory order of images and kernels.

#include <variform/types.h>

#include <array>

namespace variform {
inline namespace v2 {
namespace nn {

/// Returns a kernel in the memory order that is fastest for its device and type: a position's channels next to each
/// other for CUDA and for oneDNN's float32, rows next to each other otherwise. The functions below follow the kernel's
/// order.
Tensor as_kernel(const Tensor& kernel);

/// at::conv2d of x [N, C, H, W] with weight [out, C, k, k] and a bias [out] or none. Images come in the kernel's order.
Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride,
                   int64_t padding);

/// at::conv_transpose2d of x [N, C, H, W] with weight [C, out, k, k] and a bias [out] or none. Images come in the
/// kernel's order. Where oneDNN would fill up few output channels to sixteen, each of a block of `stride`² outputs
/// becomes a channel of a convolution at the input's resolution (Shi et al. 2016), the same sums with fewer zeros.
Tensor transposed_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride,
                              int64_t padding, const std::array<int64_t, 2>& output_padding);

/// Returns x with rows next to each other if it is images whose channels are, and its gradient in the order of x: an
/// operation on two tensors of different orders takes several times as long.
Tensor in_rows(const Tensor& x);

/// Returns y in rows unless x is images whose channels are next to each other, so that a sequence of layers keeps the
/// order of its input.
Tensor ordered_like(const Tensor& x, const Tensor& y);

}  // namespace nn
}  // namespace v2
}  // namespace variform
