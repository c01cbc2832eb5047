#pragma once
// Which library computes the dense products of linear layers. Between the SDK's library and the engine alone: not
// installed, and no part of the SDK.

#include <variform/types.h>

#include <cstdint>

namespace variform {
inline namespace v2 {

/// Products are told apart by how many multiplications they take: up to kProductClasses classes, each from its bound on.
/// Smaller products are always LibTorch's own.
constexpr int kProductClasses = 3;
constexpr int64_t kProductBounds[kProductClasses] = {1'000'000, 8'000'000, 48'000'000};

/// A bit per class, the lowest for the smallest products: set where LibTorch's oneDNN computes a layer's products,
/// forwards and backwards, from its forms in float32 on a CPU; else LibTorch's own, which MKL or OpenBLAS computes.
using OneDnnProducts = unsigned;

/// Chooses from now on, for all threads, and returns what was chosen before: at first none. Which it is decides in which
/// order sums are taken, so a training keeps one choice.
VARIFORM_API OneDnnProducts exchange_onednn_products(OneDnnProducts classes) noexcept;

/// Computes at::relu of at::linear of x [..., in], weight [out, in] and bias [out], which may be undefined, as a layer of
/// a network does: to measure it.
VARIFORM_API Tensor rectified_layer(const Tensor& x, const Tensor& weight, const Tensor& bias);

/// Whether this build of LibTorch has oneDNN's products. Without them a choice changes nothing.
VARIFORM_API bool has_onednn_products();

}  // namespace v2
}  // namespace variform
