#pragma once
// A training step whose batch is cut into shards (shards.h). Each is computed by one thread by itself, forward and
// backward; then gradients are added and parameters updated, each by one thread. So the bits depend on the number of
// shards, not on that of threads, nor of processes.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/optimizer.h"
#include "train/replica.h"
#include "train/shards.h"
#include "train/team.h"

namespace variform::train {

/// Does training steps in shards. Between them, model and optimizer are the caller's.
class ShardedStep {
 public:
  /// As many threads as LibTorch has now, at most one per shard, on the CPU; on another device one. `rows` are for
  /// comparing the models of the threads. `group` may be null. References must outlive it. Throws variform::Error.
  ShardedStep(int64_t shards, model::Assembly& assembly, Optimizer& optimizer, const Batch& rows,
              Group* group);

  /// "each batch is cut into 2 shards, computed by 2 threads".
  std::string description() const;
  /// Does one step on a batch. The terms are 0-dim, float64: means over the batch, of all processes. `look` gets them
  /// before anything has changed, and may throw. `clip_norm`: as in a config.
  Terms run(const Batch& batch, int64_t step, double clip_norm,
            const std::function<void(const Terms&)>& look);

 private:
  // What a shard gives.
  struct Result {
    std::vector<Tensor> gradients;   // by parameter; undefined where it has none
    std::vector<std::string> parts;  // their names
    Tensor sums;                     // [1 + parts] float64: the loss and they, over the batch's rows
  };
  // What a thread has.
  struct Member {
    std::unique_ptr<Replica> replica;  // null: the original
    model::Assembly* assembly = nullptr;
    std::vector<Tensor> parameters;
    std::unique_ptr<WatchedBuffers> buffers;
    std::vector<size_t> updated;  // numbers of the parameters that it updates
  };

  void divide_parameters();
  void lay_out_gradients();
  void compute_own(int64_t member, const Batch& batch, int64_t step);
  Result computed(Member& member, const Batch& batch, int64_t shard);
  Terms joined_terms();
  Tensor joined_gradient(size_t parameter) const;
  void join_gradients(const std::vector<size_t>& chosen);

  const Shards shards_;
  Optimizer& optimizer_;
  Group* const group_;
  const uint64_t seed_;
  std::vector<Tensor> parameters_;  // the original's, in the optimizer's order
  Tensor flat_;                     // all gradients; with a group
  std::vector<Tensor> places_;      // those of the parameters in it
  std::vector<Result> results_;     // by shard, from the first own one
  std::vector<Member> members_;
  Team team_;
};

}  // namespace variform::train
