// See nn_linear.h.

#include "nn_linear.h"

#include <variform/products.h>

#include "matrix_pass.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <atomic>

namespace variform {
inline namespace v2 {
namespace {

std::atomic<OneDnnProducts> onednn_products{0};  // of the process: all layers of all models sum alike

}  // namespace

OneDnnProducts exchange_onednn_products(OneDnnProducts classes) noexcept {
  return onednn_products.exchange(classes);
}

namespace nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Scalars = c10::List<std::optional<at::Scalar>>;
using Pointwise = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, c10::string_view,
                         Scalars, std::optional<c10::string_view>);

// Returns LibTorch's operator for dense products by oneDNN with bias and activation, if this build of LibTorch has it.
const std::optional<c10::TypedOperatorHandle<Pointwise>>& pointwise() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<Pointwise>> {
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!schema || !schema->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return {};
    return schema->typed<Pointwise>();
  }();
  return found;
}

// Whether oneDNN was chosen for products of so many multiplications.
bool is_onednn_chosen(int64_t multiplications) {
  const OneDnnProducts chosen = onednn_products.load(std::memory_order_relaxed);
  int below = 0;
  while (below < kProductClasses && multiplications >= kProductBounds[below]) ++below;
  return below > 0 && ((chosen >> (below - 1)) & 1u) != 0;
}

bool by_onednn(const Tensor& x, const Tensor& weight) {
  return is_onednn_chosen(x.numel() * weight.size(0)) && by_hand_with_onednn(x, weight) && pointwise();
}

// Whether autocast would compute the product in bfloat16 on a CPU that has instructions for it.
bool in_bfloat16(const Tensor& x, const Tensor& weight) {
#if defined(__x86_64__)
  static const bool supported = uses_avx512() && __builtin_cpu_supports("avx512bf16");
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

// Returns the matrix in rows, which oneDNN needs for its first one. LibTorch's copy of a transposed matrix takes
// several times as long.
Tensor in_rows(const Tensor& a) {
  if (a.scalar_type() != at::kFloat || a.is_contiguous() || !a.t().is_contiguous()) return a;
  const Tensor rows = at::empty(a.sizes(), a.options());
  pass_over({a.const_data_ptr<float>(), nullptr, a.size(1), a.size(0), nullptr,
             rows.mutable_data_ptr<float>(), nullptr});
  return rows;
}

// Computes a [n, k] times b [m, k]ᵀ, plus bias [m]; with `rectified`, negative results become 0.
Tensor multiplied(const Tensor& a, const Tensor& b, const std::optional<Tensor>& bias, bool rectified) {
  return pointwise()->call(in_rows(a), b, bias, rectified ? "relu" : "none", Scalars(), "");
}

// The same, differentiable.
class Product final : public torch::autograd::Function<Product> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& a, const Tensor& b,
                        const std::optional<Tensor>& bias, bool rectified) {
    const Tensor result = multiplied(a, b, bias, rectified);
    context->save_for_backward({a, b, rectified ? result : Tensor()});
    context->saved_data["bias"] = bias.has_value();
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &a = saved[0], &b = saved[1], &result = saved[2];
    const bool of_a = context->needs_input_grad(0), of_b = context->needs_input_grad(1);
    const bool of_bias = context->saved_data["bias"].toBool() && context->needs_input_grad(2);
    variable_list found(4);
    if (a.scalar_type() == at::kFloat && !at::GradMode::is_enabled()) {
      const Tensor gradient = gradients[0].contiguous();
      const auto place = [&](bool asked, at::IntArrayRef shape) {
        return asked ? at::empty(shape, gradient.options()) : Tensor();
      };
      const bool gated = result.defined();
      const Tensor let_through = place(of_a && gated, gradient.sizes()),
                   rows = place(of_b, gradient.t().sizes());
      found[2] = place(of_bias, gradient.sizes().slice(1));
      pass_over({gradient.const_data_ptr<float>(), gated ? result.const_data_ptr<float>() : nullptr,
                 gradient.size(0), gradient.size(1), data_of(let_through), data_of(rows), data_of(found[2])});
      if (of_a) found[0] = product(gated ? let_through : gradient, b);
      if (of_b) found[1] = product(rows, a);
      return found;
    }
    const Tensor gradient = result.defined() ? at::threshold_backward(gradients[0], result, 0) : gradients[0];
    if (of_a) found[0] = product(gradient, b);
    if (of_b) found[1] = product(gradient.t(), a);
    if (of_bias) found[2] = gradient.sum(0);
    return found;
  }

 private:
  static float* data_of(const Tensor& tensor) {
    return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
  }

  // LibTorch's own products in bfloat16 are oneDNN's, and take transposed matrices as they are.
  static Tensor product(const Tensor& a, const Tensor& b) {
    return a.scalar_type() == at::kBFloat16 ? at::mm(a, b) : dense_linear(a, b.t(), {});
  }
};

Tensor by_product(const Tensor& x, const Tensor& weight, const Tensor& bias, bool rectified) {
  const std::optional<Tensor> shift = bias.defined() ? std::optional<Tensor>(bias) : std::nullopt;
  const auto product = [&](const Tensor& rows) {
    return at::GradMode::is_enabled() ? Product::apply(rows, weight, shift, rectified)
                                      : multiplied(rows, weight, shift, rectified);
  };
  if (x.dim() == 2) return product(x);
  Shape shape(x.sizes().begin(), x.sizes().end() - 1);
  shape.push_back(weight.size(0));
  return product(x.reshape({x.numel() / x.size(-1), x.size(-1)})).view(shape);
}

// Casts to bfloat16 as autocast does, which keeps cast matrices for the pass.
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

Tensor rectified_layer(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return nn::rectified_linear(x, weight, bias);
}

bool has_onednn_products() {
  return at::hasMKLDNN() && at::globalContext().userEnabledMkldnn() && nn::pointwise();
}

}  // namespace v2
}  // namespace variform
