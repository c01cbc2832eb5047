// The optimizers' update rules, written out here in float64, on parameters in both orders of memory and gradients in
// either: LibTorch's fused kernels for the CPU are silently wrong when the two differ.

#include "catch.h"
#include "train/optimizer.h"

#include <ATen/ATen.h>

#include <cmath>

namespace {

using at::Tensor;
using variform::config::OptimizerSpec;
using variform::config::Schedule;
using variform::testing::ContainsSubstring;
using variform::train::Optimizer;

constexpr double kRate = 0.05;

OptimizerSpec spec_of(const std::string& type) {
  OptimizerSpec spec;
  spec.type = type;
  spec.lr = Schedule::constant(kRate);
  spec.weight_decay = 0.1;
  spec.momentum = type == "sgd" ? 0.8 : 0;
  return spec;
}

// One update after another with the gradients given (Kingma & Ba 2015; Loshchilov & Hutter 2019; PyTorch's RMSprop, SGD).
Tensor expected(const OptimizerSpec& spec, Tensor p, const std::vector<Tensor>& gradients) {
  p = p.to(at::kDouble);
  Tensor m = at::zeros_like(p), v = at::zeros_like(p);
  for (size_t i = 0; i < gradients.size(); ++i) {
    Tensor g = gradients[i].to(at::kDouble);
    const double step = static_cast<double>(i + 1);
    if (spec.type == "adamw") p = p * (1 - kRate * spec.weight_decay);
    else g = g + spec.weight_decay * p;
    if (spec.type == "sgd") {
      m = spec.momentum * m + g;
      p = p - kRate * m;
    } else if (spec.type == "rmsprop") {
      v = spec.alpha * v + (1 - spec.alpha) * g * g;
      p = p - kRate * g / (v.sqrt() + spec.eps);
    } else {
      m = spec.beta1 * m + (1 - spec.beta1) * g;
      v = spec.beta2 * v + (1 - spec.beta2) * g * g;
      const Tensor mean = m / (1 - std::pow(spec.beta1, step)), square = v / (1 - std::pow(spec.beta2, step));
      p = p - kRate * mean / (square.sqrt() + spec.eps);
    }
  }
  return p;
}

Tensor by_channels(const Tensor& t) { return t.contiguous(at::MemoryFormat::ChannelsLast); }

}  // namespace

TEST_CASE("updates are right in every order of memory") {
  const std::string type = GENERATE("adam", "adamw", "sgd", "rmsprop");
  const bool parameter_by_channels = GENERATE(false, true), gradient_by_channels = GENERATE(false, true);
  CAPTURE(type, parameter_by_channels, gradient_by_channels);
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(5);
  const auto normal = [&] { return at::randn({6, 4, 3, 3}, generator, at::TensorOptions(at::kFloat)); };
  const Tensor start = normal();
  const Tensor parameter =
      (parameter_by_channels ? by_channels(start) : start.clone()).set_requires_grad(true);
  Optimizer optimizer({{spec_of(type), {{"p", parameter}}}});
  std::vector<Tensor> gradients;
  for (int64_t step = 1; step <= 3; ++step) {
    gradients.push_back(normal());
    parameter.mutable_grad() =
        gradient_by_channels ? by_channels(gradients.back()) : gradients.back().clone();
    optimizer.set_rates(step, 10);
    optimizer.update();
  }
  const Tensor right = expected(spec_of(type), start, gradients);
  CHECK((parameter.detach() - right).abs().max().item<double>() < 1e-5);
}

TEST_CASE("a parameter without a gradient is left alone, and its steps are not counted") {
  const std::string type = GENERATE("adam", "adamw");
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(6);
  const auto normal = [&] { return at::randn({40}, generator, at::TensorOptions(at::kFloat)); };
  const Tensor start = normal(), other_start = normal();
  const Tensor always = start.clone().set_requires_grad(true),
               seldom = other_start.clone().set_requires_grad(true);
  Optimizer optimizer({{spec_of(type), {{"always", always}, {"seldom", seldom}}}});
  std::vector<Tensor> gradients, other_gradients;
  for (int64_t step = 1; step <= 5; ++step) {
    optimizer.zero_grad();
    always.mutable_grad() = gradients.emplace_back(normal()).clone();
    if (step % 2 == 0) seldom.mutable_grad() = other_gradients.emplace_back(normal()).clone();
    optimizer.set_rates(step, 10);
    optimizer.update();
  }
  const auto off = [](const Tensor& a, const Tensor& b) {
    return (a.detach() - b).abs().max().item<double>();
  };
  CHECK(off(always, expected(spec_of(type), start, gradients)) < 1e-5);
  CHECK(off(seldom, expected(spec_of(type), other_start, other_gradients)) < 1e-5);
  CHECK(optimizer.state().at("optimizer/always/step").item<float>() == 5);
  CHECK(optimizer.state().at("optimizer/seldom/step").item<float>() == 2);
}

TEST_CASE("a parameter with gaps in its memory is refused by name") {
  const Tensor view = at::zeros({4, 6}).narrow(1, 0, 3).set_requires_grad(true);
  CHECK_THROWS_WITH(Optimizer({{spec_of("adam"), {{"decoder/weight", view}}}}),
                    ContainsSubstring("decoder/weight") && ContainsSubstring("contiguous()"));
}
