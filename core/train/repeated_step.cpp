// See repeated_step.h.

#include "train/repeated_step.h"

#include <ATen/ATen.h>

#include <exception>
#include <utility>

namespace variform::train {
namespace {

bool alike(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && a.device() == b.device();
}

bool alike(const Batch& a, const Batch& b) {
  return alike(a.x, b.x) && alike(a.context.labels, b.context.labels) &&
         alike(a.context.condition, b.context.condition) && alike(a.context.mask, b.context.mask) &&
         alike(a.context.index, b.context.index) && a.dataset_size == b.dataset_size;
}

Tensor own(const Tensor& tensor) { return tensor.defined() ? tensor.clone() : tensor; }

void fill(Tensor& to, const Tensor& from) {
  if (to.defined()) to.copy_(from, /*non_blocking=*/true);
}

}  // namespace

RepeatedStep::RepeatedStep(MakeRecorder make, std::function<void(const std::string&)> says)
    : make_(std::move(make)), says_(std::move(says)) {}

Terms RepeatedStep::run(const Batch& batch, const Work& work) {
  if (!make_) return work(batch);
  if (plain_ > 0 && !alike(batch, input_)) {
    recorder_.reset();
    plain_ = 0;
  }
  if (plain_ == 0)
    input_ = {own(batch.x),
              {own(batch.context.labels), own(batch.context.condition), own(batch.context.mask),
               own(batch.context.index)},
              batch.dataset_size};
  if (plain_ == kPlainSteps) return replayed(batch, work);
  ++plain_;
  return work(batch);
}

Terms RepeatedStep::replayed(const Batch& batch, const Work& work) {
  if (!recorder_) {
    std::unique_ptr<Recorder> recorder = make_();
    try {
      recorder->record([&] { terms_ = work(input_); });
    } catch (const std::exception& error) {  // a component that fails anyway fails again below
      make_ = {};
      if (says_)
        says_(std::string(
                  "this model's step cannot be recorded as a graph of the device, and runs operation by "
                  "operation: ") +
              error.what());
      return work(batch);
    }
    recorder_ = std::move(recorder);
  }
  fill(input_.x, batch.x);
  fill(input_.context.labels, batch.context.labels);
  fill(input_.context.condition, batch.context.condition);
  fill(input_.context.mask, batch.context.mask);
  fill(input_.context.index, batch.context.index);
  recorder_->replay();
  return terms_;
}

}  // namespace variform::train
