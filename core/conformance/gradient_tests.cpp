// Gradients of components of every kind: finite, as central differences say, and there for every trained parameter.

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <variform/random.h>

#include <algorithm>
#include <cmath>

#include "conformance/causes.h"
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

// What the numbers of a wrong gradient look like, along one direction in one tensor.
Slip slip_of(const Slope& slope, const Tensor& tensor, const Tensor& direction, bool none) {
  if (none) return Slip::kNoGradient;
  // A smooth function is straight over steps as small as these, to rounding.
  constexpr double kStep = 1e-9;
  std::vector<double> values;
  const Tensor before = tensor.clone();
  for (int i = 0; i < 9; ++i) {
    Tensor moved = tensor;
    moved.copy_(before).add_(direction, kStep * (i - 4));
    values.push_back(item(slope.loss()));
  }
  Tensor(tensor).copy_(before);
  double size = 1, bend = 0;
  for (double value : values) size = std::max(size, std::abs(value));
  for (std::size_t i = 1; i + 1 < values.size(); ++i)
    bend = std::max(bend, std::abs(values[i - 1] - 2 * values[i] + values[i + 1]));
  const bool still = std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
  return still || bend > 1e-11 * size ? Slip::kJumps : Slip::kWrong;
}

// Which of the results has the wrong gradient, and why that may be so: " It is rsample that …". The caller holds no_grad.
std::string blame(Rig& rig, const std::vector<Input>& inputs, const Case& test, const Tensor& tensor,
                  const Tensor& direction) {
  std::vector<Deed> deeds;
  exercise(rig, inputs, test.seed, &deeds);
  const bool reads = std::any_of(deeds.begin(), deeds.end(),
                                 [](const Deed& deed) { return deed.what == Deed::What::kReadOnHost; });
  const std::size_t count = differentiated(rig, inputs, test.seed).size();
  for (std::size_t i = 0; i < count; ++i) {
    std::string name;
    Slope one;
    one.loss = [&, i] {
      std::vector<Observation> seen = differentiated(rig, inputs, test.seed);
      name = seen.at(i).name;
      return weighted_sum({seen.at(i)}, test.seed);
    };
    Tensor found;
    {
      const at::AutoGradMode recorded(true);
      const Tensor loss = one.loss();
      if (!loss.defined()) continue;
      if (loss.requires_grad()) found = torch::autograd::grad({loss}, {tensor}, {}, false, false, true)[0];
    }
    const double along = found.defined() ? item((found * direction).sum()) : 0;
    const double scale = std::max(1.0, std::abs(item(one.loss())));
    const Agreement agreement =
        best_of_steps([&](double step) { return central_difference(one, tensor, direction, step); }, along,
                      scale, {1e-5, 1e-6, 1e-7, 1e-8, 1e-4});
    if (agreement.error <= 1e-4) continue;
    return " It is " + name + " whose gradient is wrong, " + text_of(along) + " against " +
           text_of(agreement.difference) + "." +
           cause_of_gradient(name, slip_of(one, tensor, direction, !found.defined()), reads);
  }
  return {};
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
    if (agreement.error <= 1e-4) continue;
    const std::string cause =
        test.info->kind == Kind::kObjective
            ? cause_of_gradient("loss", slip_of(slope, tensors[i], direction, !found[i].defined()), false)
            : blame(rig, inputs, test, tensors[i], direction);
    fail("the gradient with respect to " + slope.tensors[i].first + " is " + text_of(along) +
         " along a random direction, central differences say " + text_of(agreement.difference) +
         (found[i].defined() ? "" : " (there is no gradient at all: is something detached?)") + "." + cause);
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
           " gets no gradient, so that no training moves it: is it used, or is what it goes through "
           "detached? State "
           "that is not trained is a buffer");
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
       {"gradients-finite", "no-grad", "rounding", "registered"},
       gradients},
      {"trained", group, "Every trained parameter gets a gradient.", all, {"gradients"}, trained},
  };
}

}  // namespace variform::conformance
