#pragma once
// Small helpers that the layers' sources share.

#include <variform/nn/layer.h>

#include <ATen/ATen.h>

namespace variform {
inline namespace v1 {
namespace nn {

/// The linear map `apply` of rows, on all tangents v [T, N, …] in one call. A direction common to all rows
/// (stride 0 along N) is mapped once and expanded again, which saves N − 1 of N parts of the work.
template <class Apply>
Tensor push_linear(const Tensor& v, const Apply& apply) {
  if (v.size(1) < 2 || v.stride(1) != 0) return unfold(apply(fold(v)), v.size(0));
  const Tensor once = apply(v.select(1, 0)).unsqueeze(1);  // [T, 1, …]
  Shape shape = once.sizes().vec();
  shape[1] = v.size(1);
  return once.expand(shape);
}

/// Whether the layer is activation("relu").
bool is_rectifier(const Layer& layer);

/// Continuation lines of Python code moved one level to the right.
inline std::string indented(const std::string& code) {
  std::string text;
  for (char c : code) {
    text += c;
    if (c == '\n') text += "    ";
  }
  return text;
}

/// "(64, 7, 7)", "(6,)".
inline std::string python_tuple(at::IntArrayRef sizes) {
  std::string text = "(";
  for (size_t i = 0; i < sizes.size(); ++i) text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + (sizes.size() == 1 ? ",)" : ")");
}

}  // namespace nn
}  // namespace v1
}  // namespace variform
