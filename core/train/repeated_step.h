#pragma once
// Records a training step once and replays it from then on. This file prepares the step in the same way on every
// device, and compares what replays give where that can be done; a Recorder does the device's own part.

#include <variform/objective.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "train/step_state.h"

namespace variform::train {

/// Records one piece of work on a device and replays it. Tensors that the work creates live as long as the recorder.
class Recorder {
 public:
  virtual ~Recorder() = default;
  /// Calls `work` once and keeps the device operations that it asks for, without running them unless
  /// works_while_recording(). Throws what `work` throws, also when the device cannot record an operation; nothing is
  /// recorded then.
  virtual void record(const std::function<void()>& work) = 0;
  /// Runs the recorded operations, on the tensors that they were recorded with. Throws NothingChanged if an operation
  /// fails before any has written to tensors from outside the work.
  virtual void replay() = 0;
  /// Whether record() does the work as well. Replays of such a recorder are compared with the work.
  virtual bool works_while_recording() const { return false; }
  /// Whether replay() may be called; if not, another step is to be recorded.
  virtual bool is_ready() const { return true; }
  /// Why what was recorded must not be replayed, in a sentence; empty: it may.
  virtual std::string refusal() const { return {}; }
  /// Calls `look`, and, while recording, keeps it for this place of every replay.
  virtual void at_each_replay(const std::function<void()>& look) { look(); }
};

/// An operation of a replay failed, and the state of the training is what it was before the step, but for the
/// generator.
class NothingChanged : public std::exception {};

/// How much a message of RepeatedStep matters.
enum class Saying {
  kDetail,  ///< how steps are run
  kInfo,
  kNote,  ///< something is wrong with a component, and has been dealt with
};

/// Runs one piece of work on batch after batch: directly for some steps, in which kernels are chosen and memory is
/// allocated, then by replaying a recording. Only the batch, and tensors that others fill in place, may change between
/// steps: numbers of the host stay in the recording as they were.
///
/// Replays of a recorder that works while it records are compared with the work, bit for bit, from the same state: the
/// first kFirstChecks ones, then one after 50, 500, 5,000 … steps. A recording whose bits differ is dropped for good,
/// as is one that is not faster in the first comparisons; the training goes on from the work's own results.
class RepeatedStep {
 public:
  using Work = std::function<Terms(const Batch&)>;
  using MakeRecorder = std::function<std::unique_ptr<Recorder>()>;
  using Says = std::function<void(Saying, const std::string&)>;
  static constexpr int64_t kPlainSteps = 3, kFirstChecks = 5;
  /// A recording that takes more than this share of the plain step's time is dropped: it keeps memory.
  static constexpr double kWorthwhile = 0.95;

  /// Without a recorder, every step runs directly. `says` is told, in a sentence, when a step cannot be recorded or is
  /// replayed. `state`: what the work changes, needed for recorders that work while they record.
  explicit RepeatedStep(MakeRecorder make = {}, Says says = {}, std::optional<StepState> state = {});

  /// Runs the work on a batch. Another shape needs another recording. The terms are valid until the next call.
  Terms run(const Batch& batch, const Work& work);
  /// For the work: calls `look`, which may read tensors on the host and throw, now and at this place of every replay.
  void look(const std::function<void()>& look);
  /// Tells that components have run between two steps, which may have given the state's tensors other memory.
  void others_ran() { others_ran_ = true; }
  /// Keeps a recording also if it is hardly faster.
  void keep_slower() { keep_slower_ = true; }
  /// How many of the steps so far were replayed.
  int64_t replays() const { return all_replays_; }

 private:
  Terms recorded(const Batch& batch, const Work& work);
  Terms working_record(const Work& work);
  Terms replayed(const Work& work);
  Terms compared(const Work& work);
  void drop(Saying saying, const std::string& why);
  bool has_moved();

  MakeRecorder make_;
  Says says_;
  std::optional<StepState> state_;
  int64_t plain_ = 0;  // steps of this shape so far
  Batch input_;        // the recording reads it
  Terms terms_;        // the recording writes them
  std::unique_ptr<Recorder> recorder_;
  bool recording_ = false, others_ran_ = false, keep_slower_ = false;
  int64_t replays_ = 0, all_replays_ = 0;  // of this recording; of all
  std::vector<const void*> places_;
  std::vector<double> plain_seconds_, replay_seconds_;
};

}  // namespace variform::train
