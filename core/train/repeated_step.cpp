// See repeated_step.h.

#include "train/repeated_step.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

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

// Whether the replay after so many ones is to be compared with the work: the first ones, then the 50th, 500th …
bool is_checked(int64_t replays) {
  if (replays < RepeatedStep::kFirstChecks) return true;
  int64_t at = 50;
  while (at < replays) at *= 10;
  return at == replays;
}

template <class Call>
double seconds_of(const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace

RepeatedStep::RepeatedStep(MakeRecorder make, Says says, std::optional<StepState> state)
    : make_(std::move(make)), says_(std::move(says)), state_(std::move(state)) {}

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
  if (plain_ < kPlainSteps) {
    ++plain_;
    return work(batch);
  }
  fill(input_.x, batch.x);
  fill(input_.context.labels, batch.context.labels);
  fill(input_.context.condition, batch.context.condition);
  fill(input_.context.mask, batch.context.mask);
  fill(input_.context.index, batch.context.index);
  return recorded(batch, work);
}

Terms RepeatedStep::recorded(const Batch& batch, const Work& work) {
  if (recorder_ && std::exchange(others_ran_, false) && has_moved()) recorder_.reset();
  if (!recorder_) {
    recorder_ = make_();
    replays_ = 0;
  } else if (recorder_->is_ready()) {
    return replayed(work);
  }
  if (recorder_->works_while_recording()) return working_record(work);
  try {
    recorder_->record([&] { terms_ = work(input_); });
  } catch (const std::exception& error) {  // a component that fails anyway fails again below
    drop(Saying::kInfo,
         std::string("this model's step cannot be recorded as a graph of the device, and runs operation by "
                     "operation: ") +
             error.what());
    return work(batch);
  }
  recorder_->replay();
  ++all_replays_;
  return terms_;
}

// Records a step that is done at the same time.
Terms RepeatedStep::working_record(const Work& work) {
  recording_ = true;
  try {
    recorder_->record([&] { terms_ = work(input_); });
  } catch (...) {
    recording_ = false;
    recorder_.reset();
    throw;
  }
  recording_ = false;
  const Terms terms = terms_;
  if (const std::string refusal = recorder_->refusal(); !refusal.empty())
    drop(Saying::kDetail, "this model's step cannot be replayed, and runs as it is written: " + refusal);
  else if (recorder_->is_ready() && state_) places_ = places_of(*state_);
  return terms;
}

Terms RepeatedStep::replayed(const Work& work) {
  if (state_ && recorder_->works_while_recording() && is_checked(replays_)) return compared(work);
  try {
    recorder_->replay();
  } catch (const NothingChanged&) {  // the plain step says better what fails
    if (state_) {
      Generator rng = state_->rng;
      rng.set_current_seed(rng.current_seed());
    }
    drop(Saying::kDetail, "an operator failed in a replayed step, which runs as it is written now");
    return work(input_);
  }
  ++replays_;
  ++all_replays_;
  return terms_;
}

// Does the step twice from the same state, as it is written and by a replay. The former counts where they differ.
Terms RepeatedStep::compared(const Work& work) {
  const KeptState before(*state_);
  Terms plain;
  const double plain_seconds = seconds_of([&] { plain = work(input_); });
  const KeptState after(*state_);
  before.put_back(*state_);
  std::string differs;
  double replay_seconds = 0;
  try {
    replay_seconds = seconds_of([&] { recorder_->replay(); });
    differs = difference(plain, terms_);
    if (differs.empty()) differs = after.difference(KeptState(*state_));
  } catch (const std::exception& error) {
    differs = "everything (the replay failed)";
  }
  if (!differs.empty()) {
    after.put_back(*state_);
    drop(Saying::kNote,
         fmt::format("a replayed step gives other bits than the plain one ({} differs), so steps are not "
                     "replayed. The training is right and goes on. A component decides on data or on the "
                     "step's number by itself, keeps something between calls, or works on memory past "
                     "LibTorch's operators (docs/sdk.md)",
                     differs));
    return plain;
  }
  ++replays_;
  ++all_replays_;
  if (replays_ <= kFirstChecks) {
    plain_seconds_.push_back(plain_seconds);
    replay_seconds_.push_back(replay_seconds);
  }
  if (replays_ == kFirstChecks) {
    const double of_plain = median(std::exchange(plain_seconds_, {})),
                 of_replay = median(std::exchange(replay_seconds_, {}));
    const std::string times = fmt::format("{:.0f} µs instead of {:.0f}", of_replay * 1e6, of_plain * 1e6);
    if (of_replay > kWorthwhile * of_plain && !keep_slower_) {
      drop(Saying::kDetail, "steps are not replayed, since that is hardly faster: " + times);
      return plain;
    }
    if (says_) says_(Saying::kDetail, "steps are replayed from a recording, with the same bits: " + times);
  }
  return terms_;
}

void RepeatedStep::look(const std::function<void()>& look) {
  if (recording_) recorder_->at_each_replay(look);
  else look();
}

void RepeatedStep::drop(Saying saying, const std::string& why) {
  make_ = {};
  recorder_.reset();
  if (says_) says_(saying, why);
}

bool RepeatedStep::has_moved() {
  return state_ && recorder_->works_while_recording() && recorder_->is_ready() &&
         places_of(*state_) != places_;
}

}  // namespace variform::train
