// See nn_convolution.h.

#include "nn_convolution.h"

#include "nn_linear.h"
#include "nn_support.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

namespace variform {
inline namespace v2 {
namespace nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr at::MemoryFormat kRows = at::MemoryFormat::Contiguous, kChannels = at::MemoryFormat::ChannelsLast;

bool channels_next_to_each_other(const Tensor& x) {
  return x.dim() >= 4 && x.size(-3) > 1 && x.stride(-3) == 1 &&
         (x.size(-1) == 1 || x.stride(-1) == x.size(-3)) &&
         (x.size(-2) == 1 || x.stride(-2) == x.size(-3) * x.size(-1));
}

Tensor ordered(const Tensor& x, at::MemoryFormat format);

class Ordered final : public torch::autograd::Function<Ordered> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, bool by_channels) {
    context->saved_data["by_channels"] = by_channels;
    return x.contiguous(by_channels ? kChannels : kRows);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {ordered(gradients[0], context->saved_data["by_channels"].toBool() ? kRows : kChannels), Tensor()};
  }
};

Tensor ordered(const Tensor& x, at::MemoryFormat format) {
  if (x.dim() > 4) return push_linear(x, [&](const Tensor& images) { return ordered(images, format); });
  if (x.is_contiguous(format)) return x;
  return x._fw_grad(0).defined() ? x.contiguous(format) : Ordered::apply(x, format == kChannels);
}

// Returns images in the kernel's order.
Tensor ordered_for(const Tensor& kernel, const Tensor& x) {
  return x.dim() == 4 && kernel.suggest_memory_format() == kChannels ? ordered(x, kChannels) : x;
}

std::optional<Tensor> if_defined(const Tensor& tensor) {
  return tensor.defined() ? std::optional<Tensor>(tensor) : std::nullopt;
}

bool by_channels_with_onednn(const Tensor& x, const Tensor& weight) {
  return x.dim() == 4 && weight.suggest_memory_format() == kChannels && by_hand_with_onednn(x, weight);
}

// Computes at::conv_transpose2d, if the output is `stride` times as large as the input, by a convolution and a change
// of shape. Along one axis, output s·m + a is the sum over inputs i from m − reach to m + reach with the kernel's
// entries p = s(m − i) + a + padding, where these exist.
namespace blocks {

// Returns the reach for kernels of stride + 2·padding entries.
int64_t reach_of(int64_t stride, int64_t padding) { return (stride - 1 + padding) / stride; }

bool pay(const Tensor& weight, int64_t stride, int64_t padding,
         const std::array<int64_t, 2>& output_padding) {
  const int64_t kernel = weight.size(2), outputs = weight.size(1);
  if (stride < 2 || output_padding != std::array<int64_t, 2>{} || kernel != stride + 2 * padding)
    return false;
  const auto filled = [](int64_t channels) { return (channels + 15) / 16 * 16; };
  const int64_t taps = 2 * reach_of(stride, padding) + 1;
  return filled(outputs * stride * stride) * taps * taps < filled(outputs) * kernel * kernel;
}

// Returns p for each a and each input, [stride · taps]. A p outside becomes `kernel`, the index of a zero at the end.
Tensor entries_of(int64_t kernel, int64_t stride, int64_t padding) {
  const int64_t reach = reach_of(stride, padding);
  std::vector<int64_t> entries;
  for (int64_t a = 0; a < stride; ++a)
    for (int64_t i = -reach; i <= reach; ++i) {
      const int64_t p = -stride * i + a + padding;
      entries.push_back(p < 0 || p >= kernel ? kernel : p);
    }
  return at::tensor(entries, at::kLong);
}

Tensor transposed_convolution(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                              int64_t stride, int64_t padding) {
  const int64_t in = weight.size(0), out = weight.size(1), reach = reach_of(stride, padding);
  const int64_t taps = 2 * reach + 1;
  const Tensor entries = entries_of(weight.size(2), stride, padding);
  const Tensor kernel = at::constant_pad_nd(weight.contiguous(), {0, 1, 0, 1})
                            .index_select(2, entries)
                            .index_select(3, entries)
                            .view({in, out, stride, taps, stride, taps})
                            .permute({2, 4, 1, 0, 3, 5})
                            .reshape({stride * stride * out, in, taps, taps})
                            .contiguous(kChannels);
  const std::optional<Tensor> biases =
      bias ? std::optional<Tensor>(bias->repeat({stride * stride})) : std::nullopt;
  const int64_t n = x.size(0), height = x.size(2), width = x.size(3);
  const Tensor channels = at::conv2d(x, kernel, biases, 1, reach).permute({0, 2, 3, 1});
  const Tensor result = at::empty({n, out, height * stride, width * stride}, x.options());
  result.view({n, out, height, stride, width, stride})
      .copy_(channels.reshape({n, height, width, stride, stride, out}).permute({0, 5, 1, 3, 2, 4}));
  return result;
}

}  // namespace blocks

struct Geometry {
  bool transposed = false;
  int64_t stride = 1, padding = 0;
  std::array<int64_t, 2> output_padding{};
};

// A convolution whose backward pass sums the bias's gradient itself: oneDNN's kernels take up to a millisecond for it.
class ByChannels final : public torch::autograd::Function<ByChannels> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, const Geometry& geometry) {
    const auto& [transposed, stride, padding, output_padding] = geometry;
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    context->saved_data["transposed"] = transposed;
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    context->saved_data["output_padding"] =
        std::vector<int64_t>(output_padding.begin(), output_padding.end());
    if (!transposed) return at::conv2d(x, weight, bias, stride, padding);
    if (blocks::pay(weight, stride, padding, output_padding))
      return blocks::transposed_convolution(x, weight, bias, stride, padding);
    return at::conv_transpose2d(x, weight, bias, stride, padding, output_padding);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    auto& data = context->saved_data;
    const int64_t stride = data["stride"].toInt(), padding = data["padding"].toInt();
    const auto [of_x, of_weight, none] = at::convolution_backward(
        ordered(gradients[0], kChannels), saved[0], saved[1], at::OptionalIntArrayRef(), {stride, stride},
        {padding, padding}, {1, 1}, data["transposed"].toBool(), data["output_padding"].toIntVector(), 1,
        {context->needs_input_grad(0), context->needs_input_grad(1), false});
    const bool bias = data["bias"].toBool() && context->needs_input_grad(2);
    return {of_x, of_weight, bias ? gradients[0].sum({0, 2, 3}) : Tensor(), Tensor()};
  }
};

}  // namespace

Tensor as_kernel(const Tensor& kernel) {
  if (!kernel.is_cuda() && !onednn_takes(kernel)) return kernel;
  // A copy: a kernel of one channel is in both orders, and only its strides tell a convolution which one is meant.
  return at::empty(kernel.sizes(), kernel.options(), kChannels).copy_(kernel);
}

Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride,
                   int64_t padding) {
  const Tensor images = ordered_for(weight, x);
  if (by_channels_with_onednn(images, weight))
    return ByChannels::apply(images, weight, if_defined(bias), Geometry{false, stride, padding, {}});
  return at::conv2d(images, weight, bias, stride, padding);
}

Tensor transposed_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride,
                              int64_t padding, const std::array<int64_t, 2>& output_padding) {
  const Tensor images = ordered_for(weight, x);
  if (by_channels_with_onednn(images, weight))
    return ByChannels::apply(images, weight, if_defined(bias),
                             Geometry{true, stride, padding, output_padding});
  return at::conv_transpose2d(images, weight, bias, stride, padding, output_padding);
}

Tensor in_rows(const Tensor& x) { return channels_next_to_each_other(x) ? ordered(x, kRows) : x; }

Tensor ordered_like(const Tensor& x, const Tensor& y) {
  return channels_next_to_each_other(x) ? y : in_rows(y);
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
