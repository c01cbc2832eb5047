#pragma once
// From a tensor to a plain array.

#include <variform/types.h>

#include <ATen/ATen.h>

#include <algorithm>

#include "arrays.h"

namespace variform::metrics {

/// Returns the values of a matrix, [N, d], any dtype and device.
inline Numbers numbers_of(const Tensor& tensor) {
  const Tensor all = tensor.to(at::kCPU, at::kDouble).contiguous();
  Numbers numbers(static_cast<std::size_t>(all.size(0)), static_cast<std::size_t>(all.size(1)));
  std::copy_n(all.const_data_ptr<double>(), all.numel(), numbers.values.begin());
  return numbers;
}

}  // namespace variform::metrics
