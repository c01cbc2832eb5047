// See matrix_pass.h.

#include "matrix_pass.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/Version.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>

namespace variform {
inline namespace v2 {
namespace nn {
namespace {

// Calls body(first, last) for parts of 0 … count − 1, each of at least `least`, in LibTorch's threads. A TensorIterator
// over unused bytes distributes them: at::parallel_for is a template that would have to be compiled with OpenMP here,
// which brings a second OpenMP beside LibTorch's.
template <class Body>
void in_threads(int64_t count, int64_t least, const Body& body) {
  if (count <= least || at::get_num_threads() == 1) return body(int64_t{0}, count);
  at::Tensor places = at::empty({count}, at::kByte);
  const char* const start = static_cast<const char*>(places.const_data_ptr());
  at::TensorIterator::nullary_op(places).for_each(
      [&](char** data, const int64_t*, int64_t size, int64_t) {
        body(data[0] - start, data[0] - start + size);
      },
      least);
}

constexpr int64_t kLine = 16;  // floats in a line of the cache

// Handles a single number, where there are fewer than 16 rows or columns.
void pass_over_one(const MatrixPass& pass, int64_t i, int64_t j) {
  const int64_t place = i * pass.columns + j;
  const float number = pass.gate && pass.gate[place] <= 0 ? 0 : pass.from[place];
  if (pass.copy) pass.copy[place] = number;
  if (pass.transposed) pass.transposed[j * pass.rows + i] = number;
  if (pass.sum) pass.sum[j] += number;
}

#if defined(__x86_64__)
#define VARIFORM_AVX512 __attribute__((target("avx512f")))

// Transposes by swapping single numbers, pairs, fours and eights. The masks let everything through: without them GCC 12
// warns about its own header.
VARIFORM_AVX512 inline void transpose_16x16(__m512 (&rows)[kLine]) {
  constexpr __mmask16 kAll = 0xFFFF;
  __m512 a[kLine], b[kLine];
#pragma GCC unroll 16
  for (int i = 0; i < 8; ++i) {
    a[2 * i] = _mm512_maskz_unpacklo_ps(kAll, rows[2 * i], rows[2 * i + 1]);
    a[2 * i + 1] = _mm512_maskz_unpackhi_ps(kAll, rows[2 * i], rows[2 * i + 1]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kLine; i += 4)
#pragma GCC unroll 16
    for (int j = 0; j < 2; ++j) {
      const __m512d low = _mm512_castps_pd(a[i + j]), high = _mm512_castps_pd(a[i + j + 2]);
      b[i + 2 * j] = _mm512_castpd_ps(_mm512_maskz_unpacklo_pd(0xFF, low, high));
      b[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_maskz_unpackhi_pd(0xFF, low, high));
    }
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < kLine; j += 8) {
      a[i + j] = _mm512_maskz_shuffle_f32x4(kAll, b[i + j], b[i + j + 4], 0x88);
      a[i + j + 4] = _mm512_maskz_shuffle_f32x4(kAll, b[i + j], b[i + j + 4], 0xdd);
    }
#pragma GCC unroll 16
  for (int i = 0; i < 8; ++i) {
    rows[i] = _mm512_maskz_shuffle_f32x4(kAll, a[i], a[i + 8], 0x88);
    rows[i + 8] = _mm512_maskz_shuffle_f32x4(kAll, a[i], a[i + 8], 0xdd);
  }
}

// Handles kLine rows from `i` and columns from `j`.
VARIFORM_AVX512 void pass_over_tile(const MatrixPass& pass, int64_t i, int64_t j) {
  __m512 rows[kLine], sum = _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int64_t k = 0; k < kLine; ++k) {
    const int64_t place = (i + k) * pass.columns + j;
    rows[k] = _mm512_loadu_ps(pass.from + place);
    if (pass.gate) {
      const __m512 gate = _mm512_loadu_ps(pass.gate + place);
      rows[k] = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(gate, _mm512_setzero_ps(), _CMP_NLE_UQ), rows[k]);
    }
    if (pass.copy) _mm512_storeu_ps(pass.copy + place, rows[k]);
    sum = _mm512_add_ps(sum, rows[k]);
  }
  if (pass.sum) _mm512_storeu_ps(pass.sum + j, _mm512_add_ps(_mm512_loadu_ps(pass.sum + j), sum));
  if (!pass.transposed) return;
  transpose_16x16(rows);
#pragma GCC unroll 16
  for (int64_t k = 0; k < kLine; ++k) _mm512_storeu_ps(pass.transposed + (j + k) * pass.rows + i, rows[k]);
}

#else
void pass_over_tile(const MatrixPass&, int64_t, int64_t) {}
#endif

void pass_over_columns(const MatrixPass& pass, int64_t left, int64_t right) {
  if (pass.sum) std::fill(pass.sum + left, pass.sum + right, 0.0F);
  for (int64_t j = left; j < right; j += kLine)
    for (int64_t i = 0; i < pass.rows; i += kLine) {
      if (i + kLine <= pass.rows && j + kLine <= right && uses_avx512()) {
        pass_over_tile(pass, i, j);
        continue;
      }
      for (int64_t row = i; row < std::min(i + kLine, pass.rows); ++row)
        for (int64_t column = j; column < std::min(j + kLine, right); ++column)
          pass_over_one(pass, row, column);
    }
}

}  // namespace

bool uses_avx512() {
#if defined(__x86_64__)
  static const bool used = at::get_cpu_capability() == "AVX512" && __builtin_cpu_supports("avx512f");
  return used;
#else
  return false;
#endif
}

void pass_over(const MatrixPass& pass) {
  constexpr int64_t kLeastNumbers = 16384;  // for which a thread is worth waking
  in_threads((pass.columns + kLine - 1) / kLine,
             std::max<int64_t>(1, kLeastNumbers / (kLine * std::max<int64_t>(1, pass.rows))),
             [&](int64_t first, int64_t last) {
               pass_over_columns(pass, first * kLine, std::min(last * kLine, pass.columns));
             });
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
