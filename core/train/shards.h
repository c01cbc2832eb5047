#pragma once
// How the batch of a step is cut into shards (train.shards), and the tree in which sums over shards are added. Both
// depend on the number of shards only, so that threads and processes do not change a bit.

#include <cstdint>

#include "train/group.h"

namespace variform::train {

/// Rows of the batch: first to first + count − 1.
struct ShardRows {
  int64_t first = 0, count = 0;
};

/// The shards of a batch, and which of them this process computes.
struct Shards {
  int64_t count = 1;  ///< of the whole batch
  int64_t first = 0;  ///< the first one of this process
  int64_t own = 1;    ///< how many it has

  /// Those of one process of a group: count/size ones, from rank · count/size. nullptr: of a process alone, which has
  /// all. Throws std::runtime_error for a group whose size is no power of two or does not divide the count.
  static Shards of(int64_t count, const Group* group);

  /// The rows of a shard: contiguous, in the order of the shards; the first batch % count ones have one row more.
  ShardRows rows(int64_t shard, int64_t batch) const;
};

/// Seed of the random stream of a shard in a step: hash(seed, "step", step, "shard", shard).
uint64_t shard_seed(uint64_t seed, int64_t step, int64_t shard);

/// Where the tree of a sum over the items first … first + count − 1 splits: the left half has as many as the right, or
/// one more. A process's own shards are one node of the tree over all, since their number is count / 2^k.
constexpr int64_t left_half(int64_t count) { return (count + 1) / 2; }

/// Adds items first … first + count − 1 into the first one, in the tree: add(to, from) adds item `from` to item `to`.
template <class Add>
void add_in_tree(int64_t first, int64_t count, const Add& add) {
  if (count < 2) return;
  const int64_t left = left_half(count);
  add_in_tree(first, left, add);
  add_in_tree(first + left, count - left, add);
  add(first, first + left);
}

}  // namespace variform::train
