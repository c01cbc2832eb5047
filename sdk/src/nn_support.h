#pragma once
// Small helpers of the layers' sources.

#include <variform/nn/layer.h>

#include <ATen/ATen.h>

namespace variform {
inline namespace v2 {
namespace nn {

/// Applies the linear map `apply` of rows to all tangents v [T, N, …] in one call. A direction that all rows share
/// (stride 0 along N) is mapped once and expanded again.
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

/// Indents continuation lines of Python code by one level.
inline std::string indented(const std::string& code) {
  std::string text;
  for (char c : code) {
    text += c;
    if (c == '\n') text += "    ";
  }
  return text;
}

/// Returns a shape as a Python tuple: "(64, 7, 7)", "(6,)".
inline std::string python_tuple(at::IntArrayRef sizes) {
  std::string text = "(";
  for (size_t i = 0; i < sizes.size(); ++i) text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + (sizes.size() == 1 ? ",)" : ")");
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
