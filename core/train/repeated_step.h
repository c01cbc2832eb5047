#pragma once
// A training step as something that a device repeats by itself: recorded once, replayed from then on. What a recording
// needs is settled here, on every device alike; how a device records is a Recorder's.

#include <variform/objective.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace variform::train {

/// What a device does with one piece of work. Tensors that the work creates live as long as the recorder.
class Recorder {
 public:
  virtual ~Recorder() = default;
  /// Calls `work` once and keeps the operations that it asks the device for, without running them. Throws what `work`
  /// throws, also because the device cannot record an operation; nothing is recorded then.
  virtual void record(const std::function<void()>& work) = 0;
  /// Runs what was recorded, on the tensors that it was recorded with.
  virtual void replay() = 0;
};

/// Runs one piece of work on batch after batch: as it is for some steps, in which kernels are chosen and memory is
/// asked for, then by a recording. The work's only input that may change is the batch, and tensors that others fill
/// in place: numbers of the host are in the recording as they were.
class RepeatedStep {
 public:
  using Work = std::function<Terms(const Batch&)>;
  using MakeRecorder = std::function<std::unique_ptr<Recorder>()>;
  static constexpr int64_t kPlainSteps = 3;

  /// Without a recorder, every step is run as it is. `says` is told once, in a sentence, when a step cannot be recorded.
  explicit RepeatedStep(MakeRecorder make = {}, std::function<void(const std::string&)> says = {});

  /// The work on a batch, whose shapes decide what recording is of use: another shape is another recording. The terms
  /// are valid until the next call.
  Terms run(const Batch& batch, const Work& work);

 private:
  Terms replayed(const Batch& batch, const Work& work);

  MakeRecorder make_;
  std::function<void(const std::string&)> says_;
  int64_t plain_ = 0;  // steps of this shape so far
  Batch input_;        // what the recording reads
  Terms terms_;        // what it writes
  std::unique_ptr<Recorder> recorder_;
};

}  // namespace variform::train
