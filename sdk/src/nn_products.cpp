// See nn_products.h.

#include "nn_products.h"

#include "nn_linear.h"

#include <variform/decoder.h>
#include <variform/nn/layer.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace variform {
inline namespace v2 {
namespace nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// v S vᵀ per row with S = WᵀW. The backward pass saves two products that autograd would do: one with S for the gradient
// of v, since S v is kept from the forward pass, and one for the gradient of S, which is symmetric. Works on a few rows
// at a time, so that intermediate results stay in the processor's cache.
class SharedGram final : public torch::autograd::Function<SharedGram> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& v, const Tensor& weight) {
    const int64_t tangents = v.size(0), data = v.size(1);
    const Tensor gram = gram_of(weight), mapped = at::empty({data, tangents, v.size(2)}, v.options());
    const Tensor metric = at::empty({data, tangents, tangents}, v.options());
    for (int64_t start = 0; start < data; start += group(v)) {
      const int64_t count = std::min(group(v), data - start);
      const Tensor some = rows_of(v, start, count), target = mapped.narrow(0, start, count);
      target.copy_(dense_linear(some, gram, {}));
      metric.narrow(0, start, count).copy_(at::bmm(target, some.transpose(1, 2)));
    }
    context->save_for_backward({v, weight, mapped});
    return metric;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor both = gradients[0] + gradients[0].transpose(1, 2);  // [N, T, T]
    // Second derivatives need a recorded computation: kept tensors and operations in place have no gradient.
    const auto [of_v, inner] = at::GradMode::is_enabled() ? differentiable(saved[0], saved[1], both)
                                                          : in_groups(saved[0], saved[2], both);
    return {of_v, context->needs_input_grad(1) ? dense_linear(saved[1], inner, {}) : Tensor()};
  }

 private:
  using Pair = std::pair<Tensor, Tensor>;  // gradient of v, and Σ_n vᵀ both v [in, in]

  static Tensor gram_of(const Tensor& weight) {
    return dense_linear(weight.t(), weight.t(), {});
  }  // symmetric

  static int64_t group(const Tensor& v) { return std::max<int64_t>(1, 256 / v.size(0)); }

  static Tensor rows_of(const Tensor& v, int64_t start, int64_t count) {  // [count, T, in]
    return v.narrow(1, start, count).transpose(0, 1).contiguous();
  }

  static Pair differentiable(const Tensor& v, const Tensor& weight, const Tensor& both) {
    const Tensor mapped = dense_linear(fold(v), gram_of(weight), {}).view(v.sizes());
    const Tensor weighted = both.bmm(v.transpose(0, 1)).transpose(0, 1);  // [T, N, in]
    return {both.bmm(mapped.transpose(0, 1)).transpose(0, 1),
            dense_linear(fold(weighted).t(), fold(v).t(), {})};
  }

  static Pair in_groups(const Tensor& v, const Tensor& mapped, const Tensor& both) {
    const Tensor of_v = at::empty_like(v, at::MemoryFormat::Contiguous);
    Tensor inner = at::zeros({v.size(2), v.size(2)}, v.options());
    for (int64_t start = 0; start < v.size(1); start += group(v)) {
      const int64_t count = std::min(group(v), v.size(1) - start);
      const Tensor some = rows_of(v, start, count), gradient = both.narrow(0, start, count);
      of_v.narrow(1, start, count).copy_(at::bmm(gradient, mapped.narrow(0, start, count)).transpose(0, 1));
      inner.add_(dense_linear(fold(at::bmm(gradient, some)).t(), fold(some).t(), {}));
    }
    return {of_v, inner};
  }
};

class ScaledProduct final : public torch::autograd::Function<ScaledProduct> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& scales, const Tensor& rows,
                        const Tensor& weight) {
    context->save_for_backward({scales, rows, weight});
    return dense_linear(fold(scaled(scales, rows)), weight, {})
        .view({rows.size(0), scales.size(0), weight.size(0)});
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &scales = saved[0], &rows = saved[1], &weight = saved[2], &gradient = gradients[0];
    const bool shared = !at::GradMode::is_enabled();  // operations in place have no derivative
    variable_list found(3);
    if (shared) std::tie(found[1], found[2]) = of_rows_and_weight(scales, rows, weight, gradient);
    else found[2] = dense_linear(fold(gradient).t(), fold(scaled(scales, rows)).t(), {});
    if (shared && !context->needs_input_grad(0)) return found;
    const Tensor back = dense_linear(gradient, weight.t(), {});  // [T, N, in]
    if (!shared) found[1] = (back * scales).sum(1);
    found[0] = (back * rows.unsqueeze(1)).sum(0);
    return found;
  }

 private:
  static Tensor scaled(const Tensor& scales, const Tensor& rows) { return rows.unsqueeze(1) * scales; }

  // Returns, with P_t = Σ_n gradient_tn s_nᵀ [out, in], the gradients Σ_t P_t ∘ r_t of the weight and, for each r_t,
  // the column sums of P_t ∘ W. Takes one t at a time, so that P_t stays in the processor's cache.
  static std::pair<Tensor, Tensor> of_rows_and_weight(const Tensor& scales, const Tensor& rows,
                                                      const Tensor& weight, const Tensor& gradient) {
    const Tensor of_rows = at::empty_like(rows), of_weight = at::zeros_like(weight);
    for (int64_t t = 0; t < rows.size(0); ++t) {
      Tensor p = dense_linear(gradient.select(0, t).t(), scales.t(), {}), of_row = of_rows.select(0, t);
      of_weight.addcmul_(p, rows.select(0, t));
      at::sum_out(of_row, p.mul_(weight), 0);
    }
    return {of_rows, of_weight};
  }
};

// Whether the way by WᵀW needs fewer multiplications, forward and backward.
bool shared_is_shorter(const Tensor& v, const Tensor& weight) {
  const double tangents = static_cast<double>(v.size(0)), rows = tangents * static_cast<double>(v.size(1));
  const double in = static_cast<double>(weight.size(1)), out = static_cast<double>(weight.size(0));
  const double by_shared = 2 * in * in * out + 2 * rows * in * in + 3 * rows * tangents * in;
  const double by_rows = 3 * rows * in * out + 3 * rows * tangents * out;
  return by_shared < by_rows;
}

}  // namespace

Tensor linear_gram(const Tensor& v, const Tensor& weight) {
  if (v.size(1) > 1 && v.stride(1) == 0)  // one direction for all rows
    return linear_gram(v.narrow(1, 0, 1), weight).expand({v.size(1), v.size(0), v.size(0)});
  if (!shared_is_shorter(v, weight))
    return inner_products(dense_linear(fold(v), weight, {}).view({v.size(0), v.size(1), weight.size(0)}));
  return SharedGram::apply(v, weight);
}

Tensor scaled_product(const Tensor& scales, const Tensor& rows, const Tensor& weight) {
  return ScaledProduct::apply(scales, rows, weight);
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
