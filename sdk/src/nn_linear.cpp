// See nn_linear.h.

#include "nn_linear.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>

namespace variform {
inline namespace v1 {
namespace nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Scalars = c10::List<std::optional<at::Scalar>>;
using Pointwise = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, c10::string_view,
                         Scalars, std::optional<c10::string_view>);

// LibTorch's way to oneDNN for dense matrices, bias and activation included, if this build of it has one.
const std::optional<c10::TypedOperatorHandle<Pointwise>>& pointwise() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<Pointwise>> {
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!schema || !schema->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return {};
    return schema->typed<Pointwise>();
  }();
  return found;
}

bool mkl_leaves_avx512_unused() {
#if defined(__x86_64__)
  static const bool unused = __builtin_cpu_supports("avx512f") && !__builtin_cpu_is("intel") && at::hasMKL();
  return unused;
#else
  return false;
#endif
}

// Below, the call costs more than the faster product saves.
constexpr int64_t kLeastMultiplications = 1'500'000;

bool by_onednn(const Tensor& x, const Tensor& weight) {
  return mkl_leaves_avx512_unused() && by_hand_with_onednn(x, weight) &&
         x.numel() * weight.size(0) >= kLeastMultiplications && pointwise();
}

// Whether autocast would have the product in bfloat16 on a CPU that has instructions for it.
bool in_bfloat16(const Tensor& x, const Tensor& weight) {
#if defined(__x86_64__)
  static const bool supported = __builtin_cpu_supports("avx512bf16");
#else
  static const bool supported = false;
#endif
  const auto taken = [](const Tensor& tensor) {
    return tensor.is_cpu() && tensor.layout() == at::kStrided && !tensor._fw_grad(0).defined() &&
           (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16);
  };
  return supported && at::autocast::is_autocast_enabled(at::kCPU) &&
         at::autocast::get_autocast_dtype(at::kCPU) == at::kBFloat16 && taken(x) && taken(weight) &&
         at::hasMKLDNN() && at::globalContext().userEnabledMkldnn() && pointwise();
}

#if defined(__x86_64__)
// to [columns, rows] becomes from [rows, columns]ᵀ, for four rows and four columns.
void transpose_4x4(const float* from, int64_t columns, float* to, int64_t rows) {
  __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + columns), c = _mm_loadu_ps(from + 2 * columns),
         d = _mm_loadu_ps(from + 3 * columns);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + rows, b);
  _mm_storeu_ps(to + 2 * rows, c);
  _mm_storeu_ps(to + 3 * rows, d);
}

void transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  constexpr int64_t kTile = 16;  // numbers in a line of the cache
  const int64_t fours_down = rows / 4 * 4, fours_across = columns / 4 * 4;
  for (int64_t top = 0; top < fours_down; top += kTile)
    for (int64_t left = 0; left < fours_across; left += kTile)
      for (int64_t j = left; j < std::min(left + kTile, fours_across); j += 4)
        for (int64_t i = top; i < std::min(top + kTile, fours_down); i += 4)
          transpose_4x4(from + i * columns + j, columns, to + j * rows + i, rows);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = i < fours_down ? fours_across : 0; j < columns; ++j)
      to[j * rows + i] = from[i * columns + j];
}

// The same matrix in rows, as oneDNN takes its first one. LibTorch's own copy of a transposed one takes three times as long.
Tensor in_rows(const Tensor& a) {
  if (a.scalar_type() != at::kFloat || a.is_contiguous() || !a.t().is_contiguous()) return a;
  const Tensor rows = at::empty(a.sizes(), a.options());
  transpose(a.const_data_ptr<float>(), a.size(1), a.size(0), rows.mutable_data_ptr<float>());
  return rows;
}
#else
Tensor in_rows(const Tensor& a) { return a; }
#endif

// a [n, k] times b [m, k]ᵀ, plus bias [m]; below 0 it becomes 0 when `rectified`.
class Product final : public torch::autograd::Function<Product> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& a, const Tensor& b,
                        const std::optional<Tensor>& bias, bool rectified) {
    const Tensor result = pointwise()->call(in_rows(a), b, bias, rectified ? "relu" : "none", Scalars(), "");
    context->save_for_backward({a, b, rectified ? result : Tensor()});
    context->saved_data["bias"] = bias.has_value();
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &a = saved[0], &b = saved[1], &result = saved[2];
    const Tensor gradient = result.defined() ? at::threshold_backward(gradients[0], result, 0) : gradients[0];
    variable_list found(4);
    if (context->needs_input_grad(0)) found[0] = product(gradient, b);
    if (context->needs_input_grad(1)) found[1] = product(gradient.t(), a);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) found[2] = gradient.sum(0);
    return found;
  }

 private:
  // LibTorch's own products in bfloat16 are oneDNN's, and take transposed matrices as they are.
  static Tensor product(const Tensor& a, const Tensor& b) {
    return a.scalar_type() == at::kBFloat16 ? at::mm(a, b) : dense_linear(a, b.t(), {});
  }
};

Tensor by_product(const Tensor& x, const Tensor& weight, const Tensor& bias, bool rectified) {
  const std::optional<Tensor> shift = bias.defined() ? std::optional<Tensor>(bias) : std::nullopt;
  if (x.dim() == 2) return Product::apply(x, weight, shift, rectified);
  Shape shape(x.sizes().begin(), x.sizes().end() - 1);
  shape.push_back(weight.size(0));
  return Product::apply(x.reshape({-1, x.size(-1)}), weight, shift, rectified).view(shape);
}

// As autocast does it: cast matrices are kept for the pass.
Tensor narrowed(const Tensor& tensor) {
  return tensor.defined() ? at::autocast::cached_cast(at::kBFloat16, tensor, at::kCPU) : tensor;
}

Tensor shortest(const Tensor& x, const Tensor& weight, const Tensor& bias, bool rectified) {
  if (by_onednn(x, weight)) return by_product(x, weight, bias, rectified);
  if (in_bfloat16(x, weight)) return by_product(narrowed(x), narrowed(weight), narrowed(bias), rectified);
  const Tensor y = at::linear(x, weight, bias);
  return rectified ? at::relu(y) : y;
}

}  // namespace

bool onednn_takes(const Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided &&
         at::hasMKLDNN() && at::globalContext().userEnabledMkldnn();
}

bool by_hand_with_onednn(const Tensor& x, const Tensor& weight) {
  return onednn_takes(x) && onednn_takes(weight) && !at::autocast::is_autocast_enabled(at::kCPU) &&
         !x._fw_grad(0).defined() && !weight._fw_grad(0).defined();
}

Tensor dense_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return shortest(x, weight, bias, /*rectified=*/false);
}

Tensor rectified_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return shortest(x, weight, bias, /*rectified=*/true);
}

}  // namespace nn
}  // namespace v1
}  // namespace variform
