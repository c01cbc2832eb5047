// See shards.h.

#include "train/shards.h"

#include <variform/random.h>

#include <algorithm>
#include <bit>
#include <stdexcept>

#include <fmt/format.h>

namespace variform::train {

Shards Shards::of(int64_t count, const Group* group) {
  if (!group) return {count, 0, count};
  const auto size = static_cast<uint64_t>(group->size());
  if (!std::has_single_bit(size) || count % group->size() != 0)
    throw std::runtime_error(
        fmt::format("train.shards is {}, and {} processes cannot share them evenly: as many processes are "
                    "possible as a power of two that divides train.shards",
                    count, group->size()));
  const int64_t own = count / group->size();
  return {count, group->rank() * own, own};
}

ShardRows Shards::rows(int64_t shard, int64_t batch) const {
  const int64_t least = batch / count, longer = batch % count;
  return {shard * least + std::min(shard, longer), least + (shard < longer ? 1 : 0)};
}

uint64_t shard_seed(uint64_t seed, int64_t step, int64_t shard) {
  return hash(seed, "step", static_cast<uint64_t>(step), "shard", static_cast<uint64_t>(shard));
}

}  // namespace variform::train
