#pragma once
// All that is wanted of a float32 matrix in memory by reading it once.

#include <cstdint>

namespace variform {
inline namespace v1 {
namespace nn {

/// A matrix [rows, columns], row by row, and what becomes of it: numbers turn 0 where `gate`, a matrix as large, is not
/// above 0 (NaN lets through); then they are copied, transposed, and added up over the rows. A null pointer asks for nothing.
struct MatrixPass {
  const float *from, *gate;
  int64_t rows, columns;
  float *copy, *transposed, *sum;  // [rows, columns], [columns, rows], [columns]
};

/// By all of LibTorch's threads, each with columns of its own, so that the sums do not depend on how many there are; by
/// AVX-512 where the processor has it.
void pass_over(const MatrixPass& pass);

}  // namespace nn
}  // namespace v1
}  // namespace variform
