// Trainings of what people have, held against closed forms: counts of many magnitudes, values that never vary, and when
// schedules end.

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <utility>

#include <variform/nn/layer.h>

#include "config/schedule.h"
#include "measure/models.h"

namespace variform {
namespace {

using measure::test::Setup;
using testing::Approx;

// The first step from which on a schedule stays what it is, found by looking at every step.
int64_t settled_by_looking(const config::Schedule& schedule, int64_t horizon) {
  int64_t first = horizon;
  while (first > 0 && schedule.at(first - 1, horizon) == schedule.at(horizon, horizon)) --first;
  return first;
}

TEST_CASE("a schedule is settled where its values say so") {
  using Shape = config::Schedule::Shape;
  const auto ramp = [](Shape shape, std::optional<int64_t> steps, int64_t delay, double from = 0.5) {
    config::Schedule schedule;
    schedule.shape = shape;
    schedule.from = from, schedule.to = 2, schedule.steps = steps, schedule.delay = delay;
    return schedule;
  };
  config::Schedule pieces;
  pieces.shape = Shape::kSteps;
  pieces.values = {1, 2, 3, 3}, pieces.boundaries = {10, 20, 30}, pieces.delay = 5;
  for (int64_t horizon : {40, 100}) {
    INFO("horizon " << horizon);
    for (Shape shape : {Shape::kLinear, Shape::kCosine, Shape::kExponential, Shape::kCyclical})
      for (const auto& steps : {std::optional<int64_t>(30), std::optional<int64_t>()})
        for (int64_t delay : {0, 7}) {
          const config::Schedule schedule = ramp(shape, steps, delay);
          INFO(to_string(shape) << ", delay " << delay << ", steps " << steps.value_or(-1));
          CHECK(schedule.settled(horizon) == settled_by_looking(schedule, horizon));
        }
    CHECK(pieces.settled(horizon) == settled_by_looking(pieces, horizon));
    CHECK(ramp(Shape::kLinear, 30, 0, 2).settled(horizon) == 0);  // from 2 to 2
    CHECK(config::Schedule::constant(3).settled(horizon) == 0);
  }
}

TEST_CASE("the input map log1p and its tangents") {
  const auto session = measure::test::open(Setup{.encoder = "linear\", input = \"log1p"});
  const nn::Layer& network = *network_of(session->assembly->model().encoder());
  const at::Tensor x = at::tensor({-40.0, -0.5, 0.0, 0.3, 9.0, 1e5, 2.0}, at::kDouble).unsqueeze(0);
  const at::Tensor w = measure::test::state(*session, "model/encoder/parameters/network.1.weight");
  const at::Tensor b = measure::test::state(*session, "model/encoder/parameters/network.1.bias");
  at::Tensor logs = at::zeros_like(x);
  for (int64_t i = 0; i < 7; ++i) {
    const double value = x[0][i].item<double>();
    logs[0][i] = value < 0 ? -std::log(1 - value) : std::log(1 + value);
  }
  CHECK(measure::test::largest(network.forward(x) - (logs.mm(w.t()) + b)) < 1e-12);

  const at::Tensor v = at::linspace(-1, 1, 7, at::kDouble).reshape({1, 1, 7});
  const double step = 1e-6;
  const at::Tensor differences =
      (network.forward(x + step * v[0]) - network.forward(x - step * v[0])) / (2 * step);
  CHECK(measure::test::largest(network.push(x, v).jv[0] - differences) < 1e-7);
}

// What an mlp of this likelihood starts at, and the data that it was given: [P] and [N, P].
std::pair<at::Tensor, at::Tensor> started_at_data(const std::string& likelihood) {
  const auto session = measure::test::open(
      "objective = { type = \"beta-vae\" }\n[data.dataset]\ntype = \"model\"\nlatent = 2\nsize = 300\ntest = "
      "20\n"
      "shape = [5]\ndecoder = { type = \"linear\" }\nprior = { type = \"gaussian\" }\n"
      "likelihood = { type = \"" +
      likelihood +
      "\" }\n[model]\nlatent = 2\nencoder = { type = \"linear\" }\n"
      "decoder = { type = \"mlp\", hidden = [4], init_bias = \"data\" }\nfamily = { type = \"diagonal\" }\n"
      "prior = { type = \"gaussian\" }\nlikelihood = { type = \"" +
      likelihood + "\" }\n[train]\nsteps = 1\ndevice = \"cpu\"\nprecision = \"float64\"\n");
  return {measure::test::state(*session, "model/decoder/parameters/network.2.bias").clone(),
          session->batches->examples(512)};
}

TEST_CASE("a decoder starts where constant outputs make the data likeliest") {
  SECTION("a Poisson's log-rates at the logarithm of the mean counts") {
    const auto [bias, x] = started_at_data("poisson");
    REQUIRE(x.size(0) == 300);
    CHECK(measure::test::largest(bias - x.mean(0).log()) < 1e-9);
  }
  SECTION("a Bernoulli's logits at those of the means") {
    const auto [bias, x] = started_at_data("bernoulli");
    const at::Tensor mean = x.mean(0);
    CHECK(measure::test::largest(bias - (mean / (1 - mean)).log()) < 1e-9);
  }
  SECTION("a Gaussian's means at the means") {
    const auto [bias, x] = started_at_data("gaussian");
    CHECK(measure::test::largest(bias - x.mean(0)) < 1e-9);
  }
}

TEST_CASE("a learned variance stops at its floor") {
  constexpr double kStart = 0.3, kFloor = 1e-4 * kStart;
  const auto session = measure::test::open(
      "objective = { type = \"beta-vae\" }\n[data.dataset]\ntype = \"model\"\nlatent = 2\nsize = 20\ntest = "
      "20\n"
      "shape = [3]\ndecoder = { type = \"linear\" }\nprior = { type = \"gaussian\" }\n"
      "likelihood = { type = \"gaussian\" }\n[model]\nlatent = 2\nencoder = { type = \"linear\" }\n"
      "decoder = { type = \"linear\" }\nfamily = { type = \"diagonal\" }\nprior = { type = \"gaussian\" }\n"
      "likelihood = { type = \"gaussian\", learned = true, per_value = true, variance = 0.3 }\n"
      "[train]\nsteps = 1\ndevice = \"cpu\"\nprecision = \"float64\"\n");
  Model& model = session->assembly->model();
  const at::Tensor log_variance = model.likelihood().parameters()[0];
  const at::Tensor x = at::tensor({1.0, 2.0, 3.0}, at::kDouble).unsqueeze(0);
  const at::Tensor g = at::tensor({1.1, 2.0, 2.5}, at::kDouble).reshape({1, 1, 3});
  const auto closed = [&](const std::vector<double>& variances) {
    double sum = 0;
    const double residuals[] = {0.1, 0.0, 0.5};
    for (std::size_t i = 0; i < 3; ++i)
      sum +=
          0.5 * (residuals[i] * residuals[i] / variances[i] + std::log(2 * std::numbers::pi * variances[i]));
    return sum;
  };
  CHECK(model.nll(x, g, {}).item<double>() == Approx(closed({kStart, kStart, kStart})).epsilon(1e-12));

  at::Tensor(log_variance.detach()).copy_(at::tensor({std::log(0.7), -500.0, -12.0}, at::kDouble));
  const at::Tensor nll = model.nll(x, g, {});
  CHECK(nll.item<double>() == Approx(closed({0.7, kFloor, kFloor})).epsilon(1e-12));
  nll.sum().backward();
  CHECK(log_variance.grad()[0].item<double>() == Approx(0.5 * (1 - 0.01 / 0.7)).epsilon(1e-12));
  CHECK(log_variance.grad()[1].item<double>() == 0);
  CHECK(log_variance.grad()[2].item<double>() == 0);
}

}  // namespace
}  // namespace variform
