// See pushforwards.h.

#include "pushforwards.h"

#include "catch.h"
#include "support/fake_build.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>
#include <string_view>

namespace variform::test {
namespace {

constexpr const char* kThrew = "backward() threw";

Shape joined(Shape left, const Shape& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// A loss on the tangents with weights that are the same in every call.
Tensor loss_on(const Tensor& jv) {
  Generator rng = generator(77);
  return (at::rand(jv.sizes(), rng, jv.options()) * jv.square()).sum();
}

}  // namespace

LayerDecoder::LayerDecoder(nn::LayerPtr layer, Shape in)
    : layer_(register_module("layer", std::move(layer))), in_(std::move(in)) {}
Tensor LayerDecoder::decode(const Tensor& z, const Context&) {
  return layer_->forward(z.reshape(joined({z.size(0)}, in_)));
}
Pushed LayerDecoder::pushforward(const Tensor& z, const Tensor& v, const Context&) {
  return layer_->push(z.reshape(joined({z.size(0)}, in_)), v.reshape(joined({v.size(0), v.size(1)}, in_)));
}

Push own() {
  return [](Decoder& decoder, const Tensor& z, const Tensor& v) { return decoder.pushforward(z, v, {}); };
}
Push forward_mode() {
  return [](Decoder& decoder, const Tensor& z, const Tensor& v) {
    return pushforward_forward_mode(decoder, z, v, {});
  };
}
Push double_backward() {
  return [](Decoder& decoder, const Tensor& z, const Tensor& v) {
    return pushforward_double_backward(decoder, z, v, {});
  };
}

double difference(const Tensor& a, const Tensor& b) {
  const double scale = b.detach().abs().max().item<double>();
  return (a.detach() - b.detach()).abs().max().item<double>() / (scale > 0 ? scale : 1);
}

Tensor pushed_by_differences(Decoder& decoder, const Tensor& z, const Tensor& v, double step) {
  const at::NoGradGuard no_grad;
  std::vector<Tensor> columns;
  for (const Tensor& direction : v.unbind(0))
    columns.push_back((decoder.decode(z + step * direction, {}) - decoder.decode(z - step * direction, {})) /
                      (2 * step));
  return at::stack(columns);
}

std::vector<GradientError> tangent_gradient_errors(Decoder& decoder, const Push& push, const Tensor& z,
                                                   const Tensor& v) {
  Generator rng = generator(5);
  const Tensor point = z.detach().clone().requires_grad_(true);
  std::vector<std::pair<std::string, Tensor>> inputs{{"z", point}};
  for (const auto& parameter : decoder.named_parameters())
    inputs.emplace_back(parameter.key(), parameter.value());

  std::vector<Tensor> tensors, gradients;
  for (const auto& input : inputs) tensors.push_back(input.second);
  try {
    const Tensor loss = loss_on(push(decoder, point, v).jv);
    // No gradient at all is a gradient of zero: a bias in a linear map.
    gradients = loss.requires_grad()
                    ? torch::autograd::grad({loss}, tensors, {}, false, false, /*allow_unused=*/true)
                    : std::vector<Tensor>(tensors.size());
  } catch (const c10::Error&) {
    return {{kThrew, std::numeric_limits<double>::quiet_NaN()}};
  }

  const at::NoGradGuard no_grad;
  const double value = std::abs(loss_on(decoder.pushforward(point, v, {}).jv).item<double>());
  std::vector<GradientError> errors;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor direction = at::randn(tensors[i].sizes(), rng, tensors[i].options());
    const double step = 1e-5;
    double reference = 0;
    for (double sign : {1.0, -1.0}) {
      tensors[i].add_(direction, sign * step);
      reference += sign * loss_on(decoder.pushforward(point, v, {}).jv).item<double>() / (2 * step);
      tensors[i].sub_(direction, sign * step);
    }
    const double found = gradients[i].defined() ? (gradients[i] * direction).sum().item<double>() : 0;
    errors.push_back({inputs[i].first, std::abs(found - reference) / (std::abs(reference) + 1e-3 * value)});
  }
  return errors;
}

void check_pushforward(Decoder& decoder, const Tensor& z, int64_t tangents) {
  Generator rng = generator(9);
  const Tensor v = at::randn({tangents, z.size(0), z.size(1)}, rng, z.options());
  const Pushed pushed = decoder.pushforward(z, v, {});
  const Tensor g = decoder.decode(z, {});

  CHECK(pushed.g.sizes() == g.sizes());
  CHECK(difference(pushed.g, g) < 1e-12);
  CHECK(pushed.jv.sizes() == joined({tangents}, g.sizes().vec()));
  CHECK(difference(pushed.jv, pushforward_forward_mode(decoder, z, v, {}).jv) < 1e-10);
  CHECK(difference(pushed.jv, pushforward_double_backward(decoder, z, v, {}).jv) < 1e-10);
  CHECK(difference(pushed.jv, pushed_by_differences(decoder, z, v)) < 1e-6);

  const Tensor w = at::randn(v.sizes(), rng, z.options());  // linear in v
  CHECK(difference(decoder.pushforward(z, 2 * v - 3 * w, {}).jv,
                   2 * pushed.jv - 3 * decoder.pushforward(z, w, {}).jv) < 1e-12);

  // A direction common to all rows, given with stride 0, and the same one written out.
  const Tensor common = v.select(1, 0).unsqueeze(1).expand(v.sizes());
  CHECK(difference(decoder.pushforward(z, common, {}).jv,
                   decoder.pushforward(z, common.contiguous(), {}).jv) < 1e-12);

  // ⟨u, Jv⟩ = ⟨Jᵀu, v⟩
  const Tensor point = z.detach().clone().requires_grad_(true);
  const Tensor u = at::randn(g.sizes(), rng, z.options());
  const Tensor pulled = torch::autograd::grad({decoder.decode(point, {})}, {point}, {u})[0];
  const double left = (u * pushed.jv[0]).sum().item<double>(), right = (pulled * v[0]).sum().item<double>();
  CHECK(std::abs(left - right) < 1e-10 * (u * pushed.jv[0]).abs().sum().item<double>());

  const std::pair<const char*, Push> tiers[] = {
      {"own", own()}, {"forward mode", forward_mode()}, {"double backward", double_backward()}};
  for (const auto& [tier, push] : tiers)
    for (const Tensor& directions : {v, common})
      for (const GradientError& found : tangent_gradient_errors(decoder, push, z, directions)) {
        // LibTorch cannot differentiate its own forward mode of softmax; it says so, and that tier is not taken.
        if (std::string_view(tier) == "forward mode" && found.name == kThrew) continue;
        INFO("gradient of a loss on the tangents by " << tier << " in " << found.name);
        CHECK(found.error < 1e-6);
      }
}

Tensor global_generator_state() { return at::detail::getDefaultCPUGenerator().get_state(); }

}  // namespace variform::test
