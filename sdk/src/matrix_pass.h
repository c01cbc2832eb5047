#pragma once
// Copies, transposes and sums a float32 matrix in one pass over memory.

#include <cstdint>

namespace variform {
inline namespace v2 {
namespace nn {

/// Returns whether LibTorch's own kernels use AVX-512: the processor has it, and ATEN_CPU_CAPABILITY does not hold
/// LibTorch to less. What is written for AVX-512 here follows, so that a process computes with one instruction set.
bool uses_avx512();

/// A matrix [rows, columns], row by row, and its results. Numbers become 0 where `gate`, of the same size, is not above
/// 0 (NaN lets them through); then they are copied, transposed, and summed over the rows. Null pointers skip a part.
struct MatrixPass {
  const float *from, *gate;
  int64_t rows, columns;
  float *copy, *transposed, *sum;  // [rows, columns], [columns, rows], [columns]
};

/// Does the pass in all of LibTorch's threads, each with its own columns, so that the sums do not depend on the number
/// of threads. Uses AVX-512 where uses_avx512() says so.
void pass_over(const MatrixPass& pass);

}  // namespace nn
}  // namespace v2
}  // namespace variform
