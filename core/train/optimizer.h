#pragma once
// First-order optimizers on named parameters, with LibTorch's fused kernels where it has them. Our own thin layer
// because state must be checkpointed by parameter name, slots may have optimizers of their own, and
// torch::optim's loops cost as much as the step itself.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/parameter_group.h"

namespace variform::train {

using at::Tensor;

using model::NamedParameter;
using model::ParameterGroup;

/// Updates parameters from their gradients. State is tensors by name; a parameter without gradient is left alone.
class Optimizer {
 public:
  /// Throws std::runtime_error naming a parameter whose memory has gaps or overlaps.
  explicit Optimizer(std::vector<ParameterGroup> groups);

  /// The learning rates of step `step` of a training of `horizon` steps hold from now on.
  void set_rates(int64_t step, int64_t horizon);
  /// One update. Not recorded by autograd. On a GPU it reads nothing but tensors, so that it may be replayed.
  void update();
  /// Drops all gradients.
  void zero_grad();
  /// Scales all gradients so that their joint norm is at most `limit`; returns the norm before (0-dim).
  Tensor clip(double limit);

  /// State as "optimizer/<parameter>/<what>"; the tensors are the live ones.
  std::map<std::string, Tensor> state() const;
  /// Puts back what state() gave. Throws std::runtime_error naming everything missing or of another shape.
  void load(const std::map<std::string, Tensor>& tensors);

  const std::vector<ParameterGroup>& groups() const { return groups_; }

 private:
  struct State {
    std::map<std::string, Tensor> tensors;  // "exp_avg", "exp_avg_sq", "step" …
  };
  void make_state(const config::OptimizerSpec& spec, const NamedParameter& parameter, const Tensor& count);

  std::vector<ParameterGroup> groups_;
  std::vector<Tensor> rates_;   // [] of each group, float64 on the CPU, else float32 where its parameters are
  std::vector<Tensor> counts_;  // [parameters] of each group, of which every state's "step" is a number
  std::map<std::string, State> states_;
};

}  // namespace variform::train
