#pragma once
// The least and the greatest observed value of each place of an example.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace variform::data {

class Dataset;

/// [P] each, one number per value of an example, of the values that were observed; a place where none was has a `low`
/// above its `high`. Undefined before the first row.
struct Range {
  at::Tensor low, high;

  /// Widens it by rows [n, data…], n > 0. `mask`: bool of the same shape, true where a value was observed; undefined:
  /// all were.
  void add(const at::Tensor& rows, const at::Tensor& mask);
  /// The number of values of an example that are the same in all rows, or never observed.
  std::int64_t constants() const;
};

/// The number of an example's values that are the same in all stored rows.
std::int64_t values_that_never_vary(const Dataset& data);

}  // namespace variform::data
