// See training_gradient.h.

#include "measure/training_gradient.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "model/session.h"

namespace variform::measure {
namespace {

// The model as at the end of its training, while it lives: mode, schedules, and buffers (running estimates), which go on
// from one training step to the next.
class AtTheEnd {
 public:
  AtTheEnd(model::Session& session, const std::vector<Tensor>& buffers, std::vector<Tensor>& training)
      : assembly_(*session.assembly),
        mode_(assembly_.model().decoder().is_training()),
        step_(assembly_.model().step()),
        buffers_(buffers),
        training_(training),
        before_(copies(buffers)) {
    if (!training.empty()) restore(training);
    assembly_.set_training(true);
    assembly_.set_step(std::max<std::int64_t>(session.horizon - 1, 0));
  }
  ~AtTheEnd() {
    training_ = copies(buffers_);
    restore(before_);
    assembly_.set_step(std::max<std::int64_t>(step_, 0));
    assembly_.model().set_step(step_);
    assembly_.set_training(mode_);
  }
  AtTheEnd(const AtTheEnd&) = delete;
  AtTheEnd& operator=(const AtTheEnd&) = delete;

 private:
  static std::vector<Tensor> copies(const std::vector<Tensor>& tensors) {
    std::vector<Tensor> found;
    for (const Tensor& tensor : tensors) found.push_back(tensor.clone());
    return found;
  }
  void restore(const std::vector<Tensor>& values) {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < values.size(); ++i) buffers_[i].copy_(values[i]);
  }

  model::Assembly& assembly_;
  const bool mode_;
  const std::int64_t step_;
  const std::vector<Tensor>& buffers_;
  std::vector<Tensor>& training_;
  const std::vector<Tensor> before_;
};

}  // namespace

TrainingGradient::TrainingGradient(model::Session& session) : session_(session) {
  for (const auto& group : session.assembly->parameter_groups(session.experiment.train.optimizer))
    for (const auto& parameter : group.parameters) parameters_.push_back(parameter.tensor);
  for (const auto& [name, tensor] : session.assembly->state())
    if (name.find("/buffers/") != std::string::npos) buffers_.push_back(tensor);
}

Tensor TrainingGradient::at(std::int64_t batch, std::int64_t draw) {
  if (number_ != batch) batch_ = session_.batches->training(batch);
  number_ = batch;
  const AtTheEnd end(session_, buffers_, training_);
  const at::AutoGradMode on(true);
  session_.assembly->seed("gradient", draw);
  const Tensor loss = session_.assembly->model().evaluate(batch_).loss.mean();
  const std::vector<Tensor> parts =
      torch::autograd::grad({loss}, parameters_, {}, /*retain_graph=*/false, /*create_graph=*/false,
                            /*allow_unused=*/true);
  std::vector<Tensor> flat;
  for (const Tensor& part : parts)
    if (part.defined()) flat.push_back(part.flatten().to(at::kDouble));
  return at::cat(flat);
}

}  // namespace variform::measure
