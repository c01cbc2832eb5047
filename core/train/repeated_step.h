#pragma once
// Records a training step once and replays it from then on. This file prepares the step in the same way on every
// device; a Recorder does the device's own part.

#include <variform/objective.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace variform::train {

/// Records one piece of work on a device and replays it. Tensors that the work creates live as long as the recorder.
class Recorder {
 public:
  virtual ~Recorder() = default;
  /// Calls `work` once and keeps the device operations that it asks for, without running them. Throws what `work`
  /// throws, also when the device cannot record an operation; nothing is recorded then.
  virtual void record(const std::function<void()>& work) = 0;
  /// Runs the recorded operations, on the tensors that they were recorded with.
  virtual void replay() = 0;
};

/// Runs one piece of work on batch after batch: directly for some steps, in which kernels are chosen and memory is
/// allocated, then by replaying a recording. Only the batch, and tensors that others fill in place, may change between
/// steps: numbers of the host stay in the recording as they were.
class RepeatedStep {
 public:
  using Work = std::function<Terms(const Batch&)>;
  using MakeRecorder = std::function<std::unique_ptr<Recorder>()>;
  static constexpr int64_t kPlainSteps = 3;

  /// Without a recorder, every step runs directly. `says` is told once, in a sentence, when a step cannot be recorded.
  explicit RepeatedStep(MakeRecorder make = {}, std::function<void(const std::string&)> says = {});

  /// Runs the work on a batch. Another shape needs another recording. The terms are valid until the next call.
  Terms run(const Batch& batch, const Work& work);

 private:
  Terms replayed(const Batch& batch, const Work& work);

  MakeRecorder make_;
  std::function<void(const std::string&)> says_;
  int64_t plain_ = 0;  // steps of this shape so far
  Batch input_;        // the recording reads it
  Terms terms_;        // the recording writes them
  std::unique_ptr<Recorder> recorder_;
};

}  // namespace variform::train
