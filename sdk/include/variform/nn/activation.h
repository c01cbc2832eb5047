#pragma once
// Activations by name, as layers.

#include <variform/nn/layer.h>

#include <string_view>

namespace variform {
inline namespace v2 {
namespace nn {

/// The elementwise layer of that name: relu, leaky-relu, leaky-relu-0.2, elu, silu, gelu, softplus, tanh, sigmoid or
/// identity, with PyTorch's default constants (leaky-relu: slope 0.01, unless the name has another; gelu: exact). At a
/// kink its tangent is PyTorch's derivative there: that of the negative side. Throws Error for another name.
VARIFORM_API LayerPtr activation(std::string_view name);

}  // namespace nn
}  // namespace v2
}  // namespace variform
