// See optimizer.h. The update rules are Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019), SGD with momentum
// and RMSprop (Tieleman & Hinton 2012), each with PyTorch's conventions.

#include "train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <stdexcept>

namespace variform::train {
namespace {

// The tensors of a group that are updated in this step, in the lists that the fused kernels take.
struct Lists {
  std::vector<Tensor> parameters, gradients;
  std::map<std::string, std::vector<Tensor>> states;
};

// Returns a tensor that is dense in memory as one row, in the order of its memory.
Tensor row(const Tensor& tensor) {
  return tensor.is_contiguous() ? tensor : tensor.as_strided({tensor.numel()}, {1});
}

// Returns the gradient in the order of its parameter's memory. LibTorch's fused kernels for the CPU go through memory
// and are silently wrong if the two orders differ; if they are equal but not those of rows, they copy each tensor.
Tensor in_order_of(const Tensor& parameter, const Tensor& gradient) {
  if (gradient.strides() == parameter.strides() || (gradient.is_contiguous() && parameter.is_contiguous()))
    return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

void rmsprop(const Lists& lists, const config::OptimizerSpec& spec, const Tensor& lr) {
  for (size_t i = 0; i < lists.parameters.size(); ++i) {
    Tensor gradient = lists.gradients[i];
    if (spec.weight_decay != 0) gradient = gradient.add(lists.parameters[i], spec.weight_decay);
    Tensor square = lists.states.at("square_avg")[i];
    square.mul_(spec.alpha).addcmul_(gradient, gradient, 1 - spec.alpha);
    const Tensor update = gradient / (square.sqrt() + spec.eps);
    Tensor parameter = lists.parameters[i];
    if (spec.momentum > 0) {
      Tensor momentum = lists.states.at("momentum")[i];
      momentum.mul_(spec.momentum).add_(update);
      parameter.sub_(lr * momentum);
    } else {
      parameter.sub_(lr * update);
    }
  }
}

// Updates by Adam. `counts` [n] holds the counters of all n parameters of the group: if all are in the lists, one
// addition increments them.
void adam(const Lists& lists, const Tensor& counts, const config::OptimizerSpec& spec, const Tensor& lr) {
  if (counts.size(0) == static_cast<int64_t>(lists.parameters.size())) counts.add_(1);
  else at::_foreach_add_(lists.states.at("step"), 1);
  const auto update = [&](auto&& fused) {
    fused(lists.parameters, lists.gradients, lists.states.at("exp_avg"), lists.states.at("exp_avg_sq"),
          at::TensorList(), lists.states.at("step"), lr, spec.beta1, spec.beta2, spec.weight_decay, spec.eps,
          /*amsgrad=*/false, /*maximize=*/false);
  };
  if (spec.type == "adamw") update([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
  else update([](auto&&... arguments) { at::_fused_adam_(arguments...); });
}

void sgd(const Lists& lists, const config::OptimizerSpec& spec, const Tensor& lr) {
  // Momentum starts at zero, so the first step needs no special case: 0·m + g = g.
  at::_fused_sgd_(lists.parameters, lists.gradients,
                  spec.momentum > 0 ? at::TensorList(lists.states.at("momentum")) : at::TensorList(),
                  spec.weight_decay, spec.momentum, lr, /*dampening=*/0, spec.nesterov, /*maximize=*/false,
                  /*is_first_step=*/false, {}, {});
}

}  // namespace

Optimizer::Optimizer(std::vector<ParameterGroup> groups) : groups_(std::move(groups)) {
  for (const ParameterGroup& group : groups_) {
    const at::TensorOptions counting =
        group.parameters.empty() ? at::TensorOptions() : group.parameters[0].tensor.options();
    counts_.push_back(at::zeros({static_cast<int64_t>(group.parameters.size())},
                                counting.dtype(at::kFloat).requires_grad(false)));
    for (size_t i = 0; i < group.parameters.size(); ++i)
      make_state(group.spec, group.parameters[i], counts_.back()[static_cast<int64_t>(i)]);
    // A GPU's fused kernels read float32.
    const bool on_cpu = group.parameters.empty() || group.parameters[0].tensor.is_cpu();
    const at::TensorOptions options =
        on_cpu ? at::TensorOptions(at::kDouble) : group.parameters[0].tensor.options().dtype(at::kFloat);
    rates_.push_back(at::zeros({}, options.requires_grad(false)));
  }
}

void Optimizer::make_state(const config::OptimizerSpec& spec, const NamedParameter& parameter,
                           const Tensor& count) {
  State& state = states_[parameter.name];
  if (!parameter.tensor.is_non_overlapping_and_dense())
    throw std::runtime_error(
        "parameter " + parameter.name +
        " is a view with gaps or overlaps in its memory, which optimizers cannot update; register a tensor "
        "of its own: view.contiguous()");
  const auto zeros = [&] { return at::zeros_like(parameter.tensor, at::MemoryFormat::Preserve).detach(); };
  const std::string& type = spec.type;
  if (type == "adam" || type == "adamw") {
    state.tensors["exp_avg"] = zeros();
    state.tensors["exp_avg_sq"] = zeros();
    state.tensors["step"] = count;
  } else if (type == "rmsprop") {
    state.tensors["square_avg"] = zeros();
  }
  if ((type == "sgd" || type == "rmsprop") && spec.momentum > 0) state.tensors["momentum"] = zeros();
}

void Optimizer::set_rates(int64_t step, int64_t horizon) {
  for (size_t i = 0; i < groups_.size(); ++i) rates_[i].fill_(groups_[i].spec.lr.at(step, horizon));
}

void Optimizer::update() {
  update_where([](size_t) { return true; });
}

void Optimizer::update(const std::vector<size_t>& chosen) {
  update_where(
      [&](size_t number) { return std::find(chosen.begin(), chosen.end(), number) != chosen.end(); });
}

void Optimizer::update_where(const std::function<bool(size_t)>& is_chosen) {
  at::NoGradGuard no_grad;
  size_t number = 0;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const ParameterGroup& group = groups_[i];
    Lists lists;
    for (const NamedParameter& parameter : group.parameters) {
      if (!is_chosen(number++) || !parameter.tensor.grad().defined()) continue;
      lists.parameters.push_back(row(parameter.tensor));
      lists.gradients.push_back(row(in_order_of(parameter.tensor, parameter.tensor.grad())));
      for (const auto& [what, tensor] : states_.at(parameter.name).tensors)
        lists.states[what].push_back(row(tensor));
    }
    if (lists.parameters.empty()) continue;
    const Tensor& lr = rates_[i];
    if (group.spec.type == "rmsprop") rmsprop(lists, group.spec, lr);
    else if (group.spec.type == "sgd") sgd(lists, group.spec, lr);
    else adam(lists, counts_[i], group.spec, lr);
  }
}

void Optimizer::zero_grad() {
  for (ParameterGroup& group : groups_)
    for (NamedParameter& parameter : group.parameters) parameter.tensor.mutable_grad() = Tensor();
}

Tensor Optimizer::clip(double limit) {
  at::NoGradGuard no_grad;
  std::vector<Tensor> norms;
  for (const ParameterGroup& group : groups_)
    for (const NamedParameter& parameter : group.parameters)
      if (parameter.tensor.grad().defined()) norms.push_back(parameter.tensor.grad().norm());
  if (norms.empty()) return at::zeros({});
  const Tensor norm = at::stack(norms).norm();
  const Tensor factor = (limit / (norm + 1e-6)).clamp_max(1.0);
  for (ParameterGroup& group : groups_)
    for (NamedParameter& parameter : group.parameters)
      if (parameter.tensor.grad().defined()) parameter.tensor.mutable_grad().mul_(factor);
  return norm;
}

std::map<std::string, Tensor> Optimizer::state() const {
  std::map<std::string, Tensor> all;
  for (const auto& [name, state] : states_)
    for (const auto& [what, tensor] : state.tensors) all["optimizer/" + name + "/" + what] = tensor;
  return all;
}

void Optimizer::load(const std::map<std::string, Tensor>& tensors) {
  at::NoGradGuard no_grad;
  std::string problems;
  for (auto& [key, tensor] : state()) {
    const auto found = tensors.find(key);
    if (found == tensors.end()) problems += "\n  " + key + " is missing";
    else if (found->second.sizes() != tensor.sizes()) problems += "\n  " + key + " has another shape";
    else Tensor(tensor).copy_(found->second);
  }
  if (!problems.empty())
    throw std::runtime_error(
        "the checkpoint's optimizer state does not fit this training's optimizer:" + problems +
        "\nUse the optimizer of the checkpoint, or start a new run from its model with `from`.");
}

}  // namespace variform::train
