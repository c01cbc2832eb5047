// See progress.h.

#include "train/progress.h"

#include <ATen/ATen.h>

#include <stdexcept>

namespace variform::train {
namespace {
constexpr const char* kSums = "progress/sums/";
}

std::map<std::string, at::Tensor> Progress::tensors() const {
  std::map<std::string, at::Tensor> tensors;
  const auto integer = [&](const char* name, int64_t value) {
    tensors[name] = at::full({}, value, at::kLong);
  };
  const auto number = [&](const std::string& name, double value) {
    tensors[name] = at::full({}, value, at::kDouble);
  };
  integer("progress/step", step);
  integer("progress/metrics_bytes", static_cast<int64_t>(metrics_bytes));
  number("progress/best", best);
  integer("progress/best_step", best_step);
  integer("progress/evaluations_since_best", evaluations_since_best);
  integer("progress/summed", summed);
  for (const auto& [name, sum] : sums) tensors[kSums + name] = sum;
  return tensors;
}

Progress Progress::from(const std::map<std::string, at::Tensor>& tensors, at::Device device) {
  const auto at = [&](const char* name) {
    const auto found = tensors.find(name);
    if (found == tensors.end())
      throw std::runtime_error(std::string("the checkpoint has no ") + name +
                               "; it holds no training to resume.");
    return found->second;
  };
  Progress progress;
  progress.step = at("progress/step").item<int64_t>();
  progress.metrics_bytes = static_cast<uint64_t>(at("progress/metrics_bytes").item<int64_t>());
  progress.best = at("progress/best").item<double>();
  progress.best_step = at("progress/best_step").item<int64_t>();
  progress.evaluations_since_best = at("progress/evaluations_since_best").item<int64_t>();
  progress.summed = at("progress/summed").item<int64_t>();
  for (auto it = tensors.lower_bound(kSums); it != tensors.end() && it->first.starts_with(kSums); ++it)
    progress.sums[it->first.substr(std::string_view(kSums).size())] =
        it->second.to(device, at::kDouble, /*non_blocking=*/false, /*copy=*/true);
  return progress;
}

}  // namespace variform::train
