// Activations: one table of values and slopes.

#include <variform/nn/activation.h>

#include "nn_support.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

namespace variform {
inline namespace v2 {
namespace nn {
namespace {

constexpr double kLeak = 0.01, kWideLeak = 0.2;
constexpr double kSoftplusThreshold = 20;  // beyond it PyTorch's softplus is the identity

struct ActivationFunction {
  const char* name;
  const char* python;
  bool piecewise_linear;
  Tensor (*value)(const Tensor& x);
  Tensor (*slope)(const Tensor& x, const Tensor& y);  // f'(x) where y = f(x), differentiable again
};

Tensor gelu_slope(const Tensor& x) {
  const Tensor cumulative = 0.5 * (1 + at::erf(x * (1 / std::numbers::sqrt2)));
  const Tensor density = (-0.5 * x.square()).exp() * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return cumulative + x * density;
}

const ActivationFunction kActivations[] = {
    // is_rectifier() depends on relu's place
    {"relu", "torch.nn.ReLU()", true, [](const Tensor& x) { return at::relu(x); },
     [](const Tensor&, const Tensor& y) { return (y > 0).to(y.scalar_type()); }},
    {"leaky-relu", "torch.nn.LeakyReLU(0.01)", true, [](const Tensor& x) { return at::leaky_relu(x, kLeak); },
     [](const Tensor& x, const Tensor&) { return (x > 0).to(x.scalar_type()).clamp_min(kLeak); }},
    {"leaky-relu-0.2", "torch.nn.LeakyReLU(0.2)", true,
     [](const Tensor& x) { return at::leaky_relu(x, kWideLeak); },
     [](const Tensor& x, const Tensor&) { return (x > 0).to(x.scalar_type()).clamp_min(kWideLeak); }},
    {"elu", "torch.nn.ELU()", false, [](const Tensor& x) { return at::elu(x); },
     [](const Tensor&, const Tensor& y) { return y.clamp_max(0) + 1; }},
    {"silu", "torch.nn.SiLU()", false, [](const Tensor& x) { return at::silu(x); },
     [](const Tensor& x, const Tensor& y) {
       const Tensor s = at::sigmoid(x);
       return s + y * (1 - s);
     }},
    {"gelu", "torch.nn.GELU()", false, [](const Tensor& x) { return at::gelu(x); },
     [](const Tensor& x, const Tensor&) { return gelu_slope(x); }},
    {"softplus", "torch.nn.Softplus()", false,
     [](const Tensor& x) { return at::softplus(x, 1, kSoftplusThreshold); },
     [](const Tensor& x, const Tensor&) { return at::where(x > kSoftplusThreshold, 1.0, at::sigmoid(x)); }},
    {"tanh", "torch.nn.Tanh()", false, [](const Tensor& x) { return at::tanh(x); },
     [](const Tensor&, const Tensor& y) { return 1 - y.square(); }},
    {"sigmoid", "torch.nn.Sigmoid()", false, [](const Tensor& x) { return at::sigmoid(x); },
     [](const Tensor&, const Tensor& y) { return y * (1 - y); }},
};

class Activation final : public With<Layer, Push, Elementwise, PiecewiseLinear> {
 public:
  explicit Activation(const ActivationFunction& function) : function_(function) {}
  Tensor forward(const Tensor& x) const override { return function_.value(x); }
  Pushed push(const Tensor& x, const Tensor& v) const override {
    const Tensor y = function_.value(x);
    return {y, v * function_.slope(x, y)};
  }
  std::optional<Tensor> slope(const Tensor& x, const Tensor& y) const override {
    return function_.slope(x, y);
  }
  Shape output_shape(const Shape& in) const override { return in; }
  bool piecewise_linear() const override { return function_.piecewise_linear; }
  std::string python() const override { return function_.python; }
  const ActivationFunction& function() const { return function_; }

 private:
  const ActivationFunction& function_;  // an entry of the table
};

class Identity final : public With<LinearMap, Isometric> {
 public:
  Tensor forward(const Tensor& x) const override { return x; }
  Pushed push(const Tensor& x, const Tensor& v) const override { return {x, v}; }
  Shape output_shape(const Shape& in) const override { return in; }
  std::string python() const override { return "torch.nn.Identity()"; }
};

}  // namespace

bool is_rectifier(const Layer& layer) {
  const auto* const found = dynamic_cast<const Activation*>(&layer);
  return found && &found->function() == std::begin(kActivations);
}

LayerPtr activation(std::string_view name) {
  if (name == "identity") return std::make_shared<Identity>();
  const auto found = std::find_if(std::begin(kActivations), std::end(kActivations),
                                  [&](const ActivationFunction& function) { return function.name == name; });
  if (found != std::end(kActivations)) return std::make_shared<Activation>(*found);
  std::string known;
  for (const ActivationFunction& function : kActivations) known += std::string(function.name) + ", ";
  throw Error("there is no activation '" + std::string(name) + "'; choose one of " + known + "identity");
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
