#pragma once
// The order in which data are visited. Nothing is stored: a step's batch follows from the seed and the step's number,
// so that a resumed run needs no state of the order.

#include <cstdint>
#include <map>
#include <vector>

#include <ATen/core/Tensor.h>

namespace variform::data {

/// Batches cut from the endless concatenation of the epochs' permutations: all of one size, nothing dropped; a
/// batch may reach into the next epoch, or over several if it is larger than the data set.
class BatchOrder {
 public:
  /// Epoch e is permuted by hash(seed, "epoch", e). Throws std::invalid_argument unless size and batch are positive.
  BatchOrder(std::int64_t size, std::int64_t batch, std::uint64_t seed);

  /// Returns the row numbers of the batch of `step` (from 0), int64 [batch] on the CPU: a pure function of the
  /// constructor's arguments and the step. Not thread-safe: it keeps the latest permutations.
  at::Tensor indices(std::int64_t step) const;

  std::int64_t size() const { return size_; }
  std::int64_t batch() const { return batch_; }
  /// Returns the epochs completed after `steps` steps, as a real number.
  double epochs(std::int64_t steps) const;
  /// Returns the least number of steps that visits every row `epochs` times.
  std::int64_t steps(std::int64_t epochs) const;

 private:
  const std::vector<std::int64_t>& epoch(std::int64_t number) const;

  std::int64_t size_, batch_;
  std::uint64_t seed_;
  mutable std::map<std::int64_t, std::vector<std::int64_t>> cache_;  // the latest epochs, at most two
};

/// Returns every row once, in order; the last batch may be shorter. int64 [<= batch] each, on the CPU.
std::vector<at::Tensor> evaluation_order(std::int64_t size, std::int64_t batch);

}  // namespace variform::data
