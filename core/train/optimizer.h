#pragma once
// First-order optimizers on named parameters, with LibTorch's fused kernels where it has them. They replace
// torch::optim because state must be checkpointed by parameter name, slots may have separate optimizers, and
// torch::optim's loops cost as much as the step itself.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/parameter_group.h"

namespace variform::train {

using at::Tensor;

using model::NamedParameter;
using model::ParameterGroup;

/// Updates parameters from their gradients. Its state is tensors by name. Parameters without gradients are left alone.
class Optimizer {
 public:
  /// Throws std::runtime_error naming a parameter whose memory has gaps or overlaps.
  explicit Optimizer(std::vector<ParameterGroup> groups);

  /// Sets the learning rates to those of step `step` of a training of `horizon` steps.
  void set_rates(int64_t step, int64_t horizon);
  /// Does one update, which autograd does not record. On a GPU it reads only tensors, so that it may be replayed.
  void update();
  /// The same of some parameters, by their numbers in the order of groups(). Several threads may call it at once, for
  /// different parameters.
  void update(const std::vector<size_t>& chosen);
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
  void update_where(const std::function<bool(size_t)>& is_chosen);
  void make_state(const config::OptimizerSpec& spec, const NamedParameter& parameter, const Tensor& count);

  std::vector<ParameterGroup> groups_;
  std::vector<Tensor> rates_;   // [] per group, float64 on the CPU, else float32 on the parameters' device
  std::vector<Tensor> counts_;  // [parameters] per group; every state's "step" is an element of it
  std::map<std::string, State> states_;
};

}  // namespace variform::train
