// Tests gradients of every kind of component: finite, equal to central differences, present for trained parameters.

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <variform/random.h>

#include <algorithm>
#include <cmath>

#include "conformance/causes.h"
#include "conformance/exercise.h"
#include "conformance/statistics.h"

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

// Returns what a gradient is taken of. A decoder's pushforward has its own, more precise test.
std::vector<Observation> differentiated(Rig& rig, const std::vector<Input>& inputs, std::uint64_t seed) {
  std::vector<Observation> seen = exercise(rig, inputs, seed);
  std::erase_if(seen, [](const Observation& o) { return o.name.starts_with("pushforward"); });
  return seen;
}

// The loss whose gradient is compared with differences, as a function of all tensors that it may depend on.
struct Slope {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::function<Tensor()> loss;
};

Slope slope_of(Rig& rig, std::vector<Input>& inputs, const Case& test) {
  Slope slope;
  slope.tensors = rig.parameters(/*all=*/test.info->kind() == Kind::kObjective);
  for (Input& input : inputs)
    if (input.differentiable) {
      input.value = input.value.detach().clone().requires_grad_(true);
      slope.tensors.emplace_back("input '" + input.name + "'", input.value);
    }
  slope.loss = [&rig, &inputs, seed = test.seed, objective = test.info->kind() == Kind::kObjective] {
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

// Returns central differences of the loss along `direction` in one tensor; the caller holds no_grad.
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

// Recognises how a gradient is wrong along one direction in one tensor.
Slip slip_of(const Slope& slope, const Tensor& tensor, const Tensor& direction, bool none) {
  if (none) return Slip::kNoGradient;
  // A smooth function is straight over such small steps, up to rounding.
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

// A result whose gradient is wrong, and the possible cause: " It is rsample whose …".
struct WrongResult {
  std::string name, text;
  Slip slip;
};

// The caller holds no_grad.
std::vector<WrongResult> wrong_results(Rig& rig, const std::vector<Input>& inputs, const Case& test,
                                       const Tensor& tensor, const Tensor& direction) {
  std::vector<WrongResult> wrong;
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
    const Slip slip = slip_of(one, tensor, direction, !found.defined());
    wrong.push_back({name,
                     " It is " + name + " whose gradient is wrong, " + text_of(along) + " against " +
                         text_of(agreement.difference) + "." + cause_of_gradient(name, slip, reads),
                     slip});
  }
  return wrong;
}

// The verdict on a gradient that central differences at fixed noise contradict.
struct Judgement {
  Outcome outcome = Outcome::kFail;
  std::string cause;
};

// A loss may be a surrogate, whose gradient is intended and whose value is not the integral of that.
Judgement judged_loss(const Slope& slope, const Tensor& tensor, const Tensor& direction, bool none) {
  const std::string cause = cause_of_gradient("loss", slip_of(slope, tensor, direction, none), false);
  if (none) return {Outcome::kFail, cause};
  return {Outcome::kWarning,
          cause +
              " If the loss is a surrogate whose gradient is right in the mean (detached weights, draws that "
              "are passed straight through), all is well."};
}

Outcome outcome_in_the_mean(const Case& test) {
  const at::AutoGradMode recorded(true);
  try {
    check_pathwise(test);
  } catch (const Verdict& verdict) {
    return verdict.outcome;
  }
  return Outcome::kPass;
}

// Draws, and densities at them, need not be differentiable at fixed noise. Implicit reparameterisation,
// straight-through draws and densities without their own parameters are right in the mean, so the mean is tested.
Judgement judged_results(const std::vector<WrongResult>& wrong, const Case& test) {
  if (wrong.empty()) return {};
  for (const WrongResult& result : wrong)
    if (!(result.name == "rsample" || result.name.ends_with(" of a draw")) ||
        result.slip == Slip::kNoGradient)
      return {Outcome::kFail, result.text};
  const Outcome in_the_mean = outcome_in_the_mean(test);
  if (in_the_mean == Outcome::kSkipped)
    return {Outcome::kWarning, wrong[0].text + " Whether it is right in the mean cannot be tested here."};
  return {in_the_mean, wrong[0].text};
}

// Returns the gradients of a loss with respect to each of its tensors; undefined where there is none.
std::vector<Tensor> gradients_of(const Tensor& loss, const Slope& slope) {
  std::vector<Tensor> tensors, found(slope.tensors.size());
  for (const auto& [name, tensor] : slope.tensors) tensors.push_back(tensor);
  if (!loss.requires_grad()) return found;
  const auto grads = torch::autograd::grad({loss}, tensors, {}, {}, false, true);
  std::copy(grads.begin(), grads.end(), found.begin());
  return found;
}

void gradients_in_mode(const Case& test, bool training) {
  Rig rig(test);
  rig.component().train(training);
  const bool objective = test.info->kind() == Kind::kObjective;
  // The gradient of an objective with its own parameters need not be that of one loss, but there must be one.
  const bool several_losses = objective && !rig.parameters().empty();
  std::vector<Input> inputs = make_inputs(rig, 3, test.seed);
  const Slope slope = slope_of(rig, inputs, test);
  const Tensor loss = slope.loss();
  if (slope.tensors.empty() || !loss.defined()) skip("it has nothing to differentiate");
  const std::vector<Tensor> found = gradients_of(loss, slope);
  const double scale = std::max(1.0, std::abs(loss.item<double>()));
  const at::NoGradGuard no_grad;
  std::string warning;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& [name, tensor] = slope.tensors[i];
    const bool none = !found[i].defined();
    if (several_losses && (!none || name.starts_with("objective/"))) continue;
    Generator rng = testing::generator(hash(test.seed, "direction", i));
    const Tensor direction = at::randn(tensor.sizes(), rng, tensor.options().requires_grad(false));
    const double along = none ? 0 : (found[i] * direction).sum().item<double>();
    const Agreement agreement = best_of_steps(
        [&, &moved = tensor](double step) { return central_difference(slope, moved, direction, step); },
        along, scale, {1e-5, 1e-6, 1e-7, 1e-8, 1e-4});
    if (agreement.error <= 1e-4) continue;
    const Judgement judged = objective
                                 ? judged_loss(slope, tensor, direction, none)
                                 : judged_results(wrong_results(rig, inputs, test, tensor, direction), test);
    const std::string text =
        "the gradient with respect to " + name + " is " + text_of(along) +
        " along a random direction, central differences say " + text_of(agreement.difference) +
        (none ? " (there is no gradient at all: is something detached?)" : "") + "." + judged.cause;
    if (judged.outcome == Outcome::kFail) fail(text);
    if (judged.outcome == Outcome::kWarning && warning.empty()) warning = text;
  }
  if (!warning.empty()) warn(warning);
}

bool moves_buffers(const Case& test) {
  Rig rig(test);
  exercise(rig, 3, test.seed);
  return rig.have_buffers_moved();
}

// A buffer that moves with parameters before it is used (a power iteration that has not converged) has no gradient, but
// differences see it. It stays fixed in evaluation mode.
void gradients(const Case& test) {
  try {
    gradients_in_mode(test, /*training=*/true);
  } catch (const Verdict& verdict) {
    if (verdict.outcome != Outcome::kFail || !moves_buffers(test)) throw;
    gradients_in_mode(test, /*training=*/false);
    warn(std::string(verdict.what()) +
         " In evaluation mode, where its buffers rest, the two agree: if they move with parameters, as in a "
         "power iteration, all is well.");
  }
}

void trained(const Case& test) {
  Rig rig(test);
  const auto own = rig.parameters();
  if (own.empty()) skip("it has no trained parameters");
  const auto seen = exercise(rig, 3, test.seed);
  const Tensor loss = test.info->kind() == Kind::kObjective ? seen.front().value.to(at::kDouble).mean()
                                                            : weighted_sum(seen, test.seed);
  if (!loss.requires_grad()) fail("it has trained parameters, and nothing that it returns has a gradient");
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : own) tensors.push_back(tensor);
  const auto grads = torch::autograd::grad({loss}, tensors, {}, {}, false, true);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (!grads[i].defined())
      warn("its parameter " + own[i].first +
           " gets no gradient, so that no training moves it: is it used, or is what it goes through "
           "detached? State that is not trained is a buffer");
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
