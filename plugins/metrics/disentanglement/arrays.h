#pragma once
// Codes and factors as plain arrays: the metrics of disentanglement and agreement are mathematics on numbers, and need
// neither a model nor LibTorch.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace variform::metrics {

/// A matrix, row by row.
template <class T>
struct Array {
  std::size_t rows = 0, columns = 0;
  std::vector<T> values;

  Array() = default;
  Array(std::size_t n, std::size_t m, T fill = {}) : rows(n), columns(m), values(n * m, fill) {}
  T& operator()(std::size_t i, std::size_t j) { return values[i * columns + j]; }
  const T& operator()(std::size_t i, std::size_t j) const { return values[i * columns + j]; }
  std::vector<T> column(std::size_t j) const {
    std::vector<T> column(rows);
    for (std::size_t i = 0; i < rows; ++i) column[i] = (*this)(i, j);
    return column;
  }
  /// The rows order[first] … order[first + count − 1].
  Array some(const std::vector<std::int64_t>& order, std::size_t first, std::size_t count) const {
    Array part(count, columns);
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < columns; ++j)
        part(i, j) = (*this)(static_cast<std::size_t>(order[first + i]), j);
    return part;
  }
  Array transposed() const {
    Array result(columns, rows);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) result(j, i) = (*this)(i, j);
    return result;
  }
};

using Numbers = Array<double>;  ///< codes [N, d], or a matrix of scores [d, F]
using Classes = Array<int>;     ///< factors [N, F]: every factor's values numbered 0, 1, …

/// The values of a column numbered in ascending order: what Classes hold. Returns the numbers and how many there are.
std::pair<std::vector<int>, int> numbered(const std::vector<std::int64_t>& values);

}  // namespace variform::metrics
