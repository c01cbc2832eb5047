#pragma once
// The training loop: steps, logs, evaluations, checkpoints, and its end.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include "base/log.h"
#include "checkpoint/snapshot.h"
#include "checkpoint/writer.h"
#include "model/assembly.h"
#include "model/batches.h"
#include "model/run_folder.h"
#include "plugins/ambient.h"
#include "train/process_group.h"
#include "train/judging.h"
#include "train/optimizer.h"
#include "train/progress.h"
#include "train/repeated_step.h"
#include "train/sharded_step.h"
#include "train/spent.h"

namespace variform::train {

/// Receives what a person wants to see of a running training. Called from the training's thread.
class Observer {
 public:
  virtual ~Observer() = default;
  /// After every step; `values` are the means since the last log line and empty unless one was written.
  virtual void stepped(int64_t step, int64_t horizon, const std::map<std::string, double>& values) = 0;
  virtual void evaluated(int64_t step, const std::string& split, const std::map<std::string, double>& values,
                         bool best) = 0;
};

/// Thrown when the loss or a parameter is not finite; the text names step, term and component, and what is kept.
class NotFinite : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Ending { kFinished, kStoppedEarly, kStopAt, kInterrupted };

struct Outcome {
  Ending ending = Ending::kFinished;
  int64_t step = 0;
  std::map<std::string, double> evaluation;  ///< the last one
  std::string not_finite;                    ///< what is not finite in it, in one sentence; empty: nothing
  int64_t best_step = -1;                    ///< -1: no evaluation counted
  double best = 0;                           ///< its value
};

/// Trains a model in a run folder. All of its state is in the checkpoints that it writes.
class Trainer {
 public:
  /// `horizon` is the number of steps of the whole training. References must outlive the trainer.
  Trainer(const config::TrainSpec& spec, int64_t horizon, std::map<std::string, std::string> attributes,
          model::Assembly& assembly, model::Batches& batches, model::RunFolder& folder, base::Log& log,
          Observer& observer);

  /// Sets how the best step is chosen; call it before restore(). The default is train.best, from the first evaluation.
  void judge_by(Judging judging) { judging_ = std::move(judging); }

  /// Restores model, optimizer and progress, and cuts metrics.jsonl to them (RunFolder::truncate_metrics).
  void restore(const checkpoint::Snapshot& snapshot, bool accept_changed_metrics = false);
  /// Trains together with other processes, whose trainings are of the same config; call it before run().
  void join(Group& group) { group_ = &group; }
  /// Takes model, optimizer and progress of process 0, restored or not. Comes after restore().
  void take_state_of_first(ProcessGroup& group);
  /// Trains until the horizon, `stop_at` or early stopping, or until `interrupted` returns true. Writes a checkpoint of
  /// step 0 before the first step, and one at every end but an exception.
  Outcome run(int64_t stop_at, const std::function<bool()>& interrupted);

  /// Writes a checkpoint of the last whole step, after an exception that left the state as it was then (GroupLost).
  void keep();

  /// Records steps with the recorders of `make` instead of the device's own; empty: steps are not recorded.
  /// `also_if_slower`: replays them even if that takes longer.
  void record_with(RepeatedStep::MakeRecorder make, bool also_if_slower = false);
  /// How many of the steps so far were replayed.
  int64_t replays() const { return repeated_.replays(); }

  int64_t step() const { return progress_.step; }

 private:
  std::map<std::string, double> train_step();
  Terms update(const Batch& batch);
  Terms update_in_shards(const Batch& batch);
  void cut_into_shards();
  std::map<std::string, double> write_log_line(std::map<std::string, double> values);
  bool evaluate_now(Outcome& outcome);
  bool is_best(const std::map<std::string, double>& evaluation);
  void evaluate_into(Outcome& outcome);
  void tell_changes(const plugins::AmbientState& ambient);
  Outcome ended(Outcome outcome, Ending ending);
  void write_checkpoint(std::vector<std::filesystem::path> paths);
  bool due(const config::Every& every) const;
  double epoch() const;
  [[noreturn]] void fail_not_finite(const Terms& terms, const Batch& batch);
  void check_parameters() const;

  const config::TrainSpec spec_;
  const int64_t horizon_;
  const std::map<std::string, std::string> attributes_;
  model::Assembly& assembly_;
  model::Batches& batches_;
  model::RunFolder& folder_;
  Observer& observer_;
  base::Log& log_;
  Optimizer optimizer_;
  Judging judging_;
  Group* group_ = nullptr;  // null: this process is alone
  Progress progress_;
  RepeatedStep repeated_;
  std::unique_ptr<ShardedStep> sharded_;  // with train.shards > 1, from run() on
  checkpoint::Writer writer_;
  Spent spent_;  // since run() began
  int64_t evaluated_at_ = -1;
  bool restored_ = false;
  std::set<std::string> told_;  // what components have changed and has been reported
};

/// Returns the means of the objective's loss and parts over the evaluation split (its first evaluation_limit rows),
/// under "loss" and the parts' names. Each batch has the random stream hash(seed, "evaluation", batch, draw). The
/// processes of a group, which may be null, share the batches; all get the bits that one process would.
std::map<std::string, double> evaluate_objective(model::Assembly& assembly, model::Batches& batches,
                                                 const config::TrainSpec& spec, Group* group = nullptr);

/// Returns what is not finite in an evaluation, or nothing: "loss is not finite; the first such value comes from row
/// 17 of split test (part 'nll')". Goes through the same batches and draws again.
std::string what_is_not_finite(model::Assembly& assembly, model::Batches& batches,
                               const config::TrainSpec& spec,
                               const std::map<std::string, double>& evaluation);

/// Returns β times the likelihood's reference variance (§2); empty when the objective has no β or the likelihood no
/// such variance.
std::optional<double> effective_beta(Model& model);

}  // namespace variform::train
