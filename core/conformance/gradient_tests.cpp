// Gradients of components of every kind: finite, as central differences say, and there for every trained parameter.

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <variform/random.h>

#include <algorithm>
#include <cmath>

#include "conformance/exercise.h"

namespace variform::conformance {

Agreement best_of_steps(const std::function<double(double step)>& difference, double gradient, double scale,
                        std::initializer_list<double> steps) {
  Agreement best{INFINITY, 0};
  for (double step : steps) {
    const double expected = difference(step);
    const double error =
        std::abs(expected - gradient) / std::max({std::abs(gradient), std::abs(expected), 1e-3 * scale});
    if (error < best.error) best = {error, expected};
    if (best.error < 1e-6) break;
  }
  return best;
}

namespace {

// What a gradient is taken of. A decoder's pushforward has a test of its own, which says what is wrong with it.
std::vector<Observation> differentiated(Rig& rig, const std::vector<Input>& inputs, std::uint64_t seed) {
  std::vector<Observation> seen = exercise(rig, inputs, seed);
  std::erase_if(seen, [](const Observation& o) { return o.name.starts_with("pushforward"); });
  return seen;
}

// The loss whose gradient is held against differences, as a function of all tensors that it may depend on.
struct Slope {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::function<Tensor()> loss;
};

Slope slope_of(Rig& rig, std::vector<Input>& inputs, const Case& test) {
  Slope slope;
  slope.tensors = rig.parameters(/*all=*/test.info->kind == Kind::kObjective);
  for (Input& input : inputs)
    if (input.differentiable) {
      input.value = input.value.detach().clone().requires_grad_(true);
      slope.tensors.emplace_back("input '" + input.name + "'", input.value);
    }
  slope.loss = [&rig, &inputs, seed = test.seed, objective = test.info->kind == Kind::kObjective] {
    const auto seen = differentiated(rig, inputs, seed);
    return objective ? seen.front().value.to(at::kDouble).mean() : weighted_sum(seen, seed);
  };
  return slope;
}

void gradients_finite(const Case& test) {
  for (at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Rig rig(test, {.dtype = dtype});
    std::vector<Input> inputs = make_inputs(rig, 3, test.seed);
    const Slope slope = slope_of(rig, inputs, test);
    const Tensor loss = slope.loss();
    if (!loss.defined() || !loss.requires_grad()) skip("nothing that it returns has a gradient");
    loss.backward();
    for (const auto& [name, tensor] : slope.tensors)
      if (tensor.grad().defined() && !at::isfinite(tensor.grad()).all().item<bool>())
        fail(std::string("the gradient with respect to ") + name + " is not finite in a " +
             c10::toString(dtype) + " model");
  }
}

// Central differences of the loss along `direction` in one tensor; the caller holds no_grad.
double central_difference(const Slope& slope, const Tensor& tensor, const Tensor& direction, double step) {
  const Tensor before = tensor.clone();
  Tensor changed = tensor;
  changed.add_(direction, step);
  const double up = slope.loss().item<double>();
  changed.copy_(before).add_(direction, -step);
  const double down = slope.loss().item<double>();
  changed.copy_(before);
  return (up - down) / (2 * step);
}

void gradients(const Case& test) {
  Rig rig(test);
  if (test.info->kind == Kind::kObjective && !rig.parameters().empty())
    skip("the objective trains parameters of its own, so that its gradient need not be that of one loss");
  std::vector<Input> inputs = make_inputs(rig, 3, test.seed);
  const Slope slope = slope_of(rig, inputs, test);
  const Tensor loss = slope.loss();
  if (slope.tensors.empty() || !loss.defined()) skip("it has nothing to differentiate");
  std::vector<Tensor> tensors, found(slope.tensors.size());
  for (const auto& [name, tensor] : slope.tensors) tensors.push_back(tensor);
  if (loss.requires_grad()) {
    const auto grads = torch::autograd::grad({loss}, tensors, {}, {}, false, true);
    std::copy(grads.begin(), grads.end(), found.begin());
  }
  const double scale = std::max(1.0, std::abs(loss.item<double>()));
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Generator rng = testing::generator(hash(test.seed, "direction", i));
    const Tensor direction = at::randn(tensors[i].sizes(), rng, tensors[i].options().requires_grad(false));
    const double along = found[i].defined() ? (found[i] * direction).sum().item<double>() : 0;
    const auto difference = [&](double step) {
      return central_difference(slope, tensors[i], direction, step);
    };
    const Agreement agreement = best_of_steps(difference, along, scale, {1e-5, 1e-6, 1e-7, 1e-8, 1e-4});
    if (!(agreement.error <= 1e-4))
      fail("the gradient with respect to " + slope.tensors[i].first + " is " + text_of(along) +
           " along a random direction, central differences say " + text_of(agreement.difference) +
           (found[i].defined() ? "" : " (there is no gradient at all: is something detached?)"));
  }
}

void trained(const Case& test) {
  Rig rig(test);
  const auto own = rig.parameters();
  if (own.empty()) skip("it has no trained parameters");
  const auto seen = exercise(rig, 3, test.seed);
  const Tensor loss = test.info->kind == Kind::kObjective ? seen.front().value.to(at::kDouble).mean()
                                                          : weighted_sum(seen, test.seed);
  if (!loss.requires_grad()) fail("it has trained parameters, and nothing that it returns has a gradient");
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : own) tensors.push_back(tensor);
  const auto grads = torch::autograd::grad({loss}, tensors, {}, {}, false, true);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (!grads[i].defined())
      warn("its parameter " + own[i].first +
           " gets no gradient: is it used? State that is not trained is a buffer");
}

}  // namespace

std::vector<Test> gradient_tests() {
  const char* group = "component";
  const std::vector<Kind> all(kAllKinds.begin(), kAllKinds.end());
  return {
      {"gradients-finite",
       group,
       "Gradients for ordinary inputs are finite.",
       all,
       {"finite"},
       gradients_finite},
      {"gradients",
       group,
       "Gradients with respect to every parameter and input agree with central differences.",
       all,
       {"gradients-finite", "determinism", "global-rng", "no-grad"},
       gradients},
      {"trained", group, "Every trained parameter gets a gradient.", all, {"gradients"}, trained},
  };
}

}  // namespace variform::conformance
