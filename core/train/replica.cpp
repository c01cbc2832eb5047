// See replica.h.

#include "train/replica.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>

#include "train/step_state.h"

namespace variform::train {
namespace {

std::vector<Tensor> parameters_of(const model::Assembly& assembly) {
  std::vector<Tensor> all;
  for (const model::ParameterGroup& group : assembly.parameter_groups({}))
    for (const model::NamedParameter& parameter : group.parameters) all.push_back(parameter.tensor);
  return all;
}

// Loss and gradient of a step, as one map.
std::map<std::string, Tensor> step_of(model::Assembly& assembly, const Batch& rows) {
  assembly.set_step(0);
  assembly.model().set_step(-1);  // messages: this is before the training
  const Terms terms = assembly.model().evaluate(rows);
  std::map<std::string, Tensor> all{{"loss", terms.loss.detach()}};
  const auto gradients =
      torch::autograd::grad({terms.loss.mean()}, parameters_of(assembly), {}, false, false, true);
  for (size_t i = 0; i < gradients.size(); ++i)
    if (gradients[i].defined()) all["gradient " + std::to_string(i)] = gradients[i];
  return all;
}

// Makes the parameters other ones while it lives: a component that keeps a copy of one would not be found out at the
// values that it was built with.
class Moved {
 public:
  explicit Moved(const model::Assembly& assembly) : parameters_(parameters_of(assembly)) {
    const at::NoGradGuard no_grad;
    for (Tensor& parameter : parameters_) {
      before_.push_back(parameter.detach().clone());
      parameter.mul_(1.0625);
    }
  }
  ~Moved() {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].copy_(before_[i]);
  }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;

 private:
  std::vector<Tensor> parameters_, before_;
};

}  // namespace

Replica::Replica(model::Assembly& original, const Batch& rows) : original_(original), own_(original.again()) {
  own_->model().set_reference(original.model().reference());
  own_->set_training(true);
  const std::map<std::string, Tensor> theirs = original.state();
  for (const auto& [name, tensor] : own_->state()) state_.push_back({theirs.at(name), tensor});
  follow();
  const Moved moved(original);
  const auto expected = step_of(original, rows), found = step_of(*own_, rows);
  for (const auto& [name, tensor] : expected)
    if (const auto same = found.find(name); same == found.end() || !same_bits(tensor, same->second))
      throw Error(
          "train.shards > 1 needs a model for each thread, and a second model of this config with the "
          "same parameters gives another " +
          name +
          ": a component keeps something beside its parameters and buffers, or draws from elsewhere "
          "than the generators that it is given. Write train.shards = 1, or train.threads = 1.");
}

void Replica::follow() {
  for (Pair& pair : state_)
    if (pair.own.const_data_ptr() != pair.theirs.const_data_ptr()) pair.own.set_data(pair.theirs.detach());
}

WatchedBuffers::WatchedBuffers(const model::Assembly& assembly) {
  for (Kind kind : assembly.kinds())
    for (const auto& item : assembly.model().component(kind)->named_buffers())
      buffers_.push_back({std::string(to_string(kind)) + " " + assembly.model().label(kind) +
                              " changes its buffer '" + item.key() + "'",
                          item.value()});
  begin();
}

void WatchedBuffers::begin() {
  for (Buffer& buffer : buffers_) buffer.version = static_cast<int64_t>(buffer.tensor._version());
}

void WatchedBuffers::require_unwritten() const {
  for (const Buffer& buffer : buffers_)
    if (static_cast<int64_t>(buffer.tensor._version()) != buffer.version)
      throw Error(buffer.name +
                  " in a step, which every shard of the batch would do again. Write train.shards = 1.");
}

}  // namespace variform::train
