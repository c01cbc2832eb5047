// See gradient_noise.h.

#include "measure/gradient_noise.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "measure/section.h"
#include "model/session.h"

namespace variform::measure {
namespace {

constexpr std::int64_t kBatches = 8;

std::vector<Tensor> trained_parameters(model::Session& session) {
  std::vector<Tensor> parameters;
  for (const auto& group : session.assembly->parameter_groups(session.experiment.train.optimizer))
    for (const auto& parameter : group.parameters) parameters.push_back(parameter.tensor);
  return parameters;
}

// Returns the loss's gradient in all parameters as one row of float64.
Tensor gradient_of(Model& model, const Batch& batch, const std::vector<Tensor>& parameters) {
  const Tensor loss = model.evaluate(batch).loss.mean();
  const std::vector<Tensor> parts =
      torch::autograd::grad({loss}, parameters, {}, /*retain_graph=*/false, /*create_graph=*/false,
                            /*allow_unused=*/true);
  std::vector<Tensor> flat;
  for (const Tensor& part : parts)
    if (part.defined()) flat.push_back(part.flatten().to(at::kDouble));
  return at::cat(flat);
}

double root(double square) { return std::sqrt(std::max(0.0, square)); }

}  // namespace

nlohmann::json gradient_noise(model::Session& session, std::int64_t draws, const base::Watch& watch) {
  model::Assembly& assembly = *session.assembly;
  const std::vector<Tensor> parameters = trained_parameters(session);
  const auto R = static_cast<double>(draws), B = static_cast<double>(kBatches);
  assembly.set_training(true);
  assembly.set_step(std::max<std::int64_t>(session.horizon - 1, 0));
  double within = 0, norms = 0;  // sums over batches: variance of one draw, ‖mean gradient‖²
  Tensor total;
  for (std::int64_t b = 0; b < kBatches; ++b) {
    const Batch batch = session.batches->training(b);
    Tensor sum;
    double squares = 0;
    for (std::int64_t r = 0; r < draws; ++r) {
      base::tell(watch, "gradient", b * draws + r, kBatches * draws);
      assembly.seed("gradient", b * draws + r);
      const Tensor gradient = gradient_of(assembly.model(), batch, parameters);
      squares += gradient.square().sum().item<double>();
      sum = sum.defined() ? sum + gradient : gradient;
    }
    const Tensor mean = sum / R;
    const double norm = mean.square().sum().item<double>();
    within += (squares - R * norm) / (R - 1);
    norms += norm;
    total = total.defined() ? total + mean : mean;
  }
  const double noise = within / B, about = noise / R;  // `about`: the variance of the mean of R draws
  const double between = (norms - (total / B).square().sum().item<double>() * B) / (B - 1) - about;
  const double norm = root(norms / B - about);
  Section section;
  section.number("gradient_norm", norm,
                 "norm of a training batch's expected gradient, all parameters (8 batches)");
  section.number("gradient_noise", root(noise),
                 "standard deviation of one gradient about it: what the objective's own draws add");
  section.number("gradient_noise_of_batches", root(between),
                 "standard deviation between the batches' expected gradients");
  if (norm > 0) section.number("gradient_noise_ratio", root(noise) / norm, "gradient_noise / gradient_norm");
  return section.entries();
}

}  // namespace variform::measure
