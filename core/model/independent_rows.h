#pragma once
// Whether a batch may be cut into shards (train.shards): the loss of a row must not depend on the other rows of its
// batch, nor may a step change a component's buffers, which every shard would do again.

#include <cstdint>

#include "model/assembly.h"

namespace variform::model {

/// How many rows require_independent_rows() asks for: two, and twice two others beside them.
inline constexpr int64_t kRowsToCompare = 6;

/// Evaluates the objective on two rows beside others, at the first, the middle and the last step. Throws variform::Error
/// when their loss or its gradient depends on what the others are, when the loss does not split over rows, or when a
/// buffer has changed; the sentence names the component and what to do. Leaves the model as it was.
void require_independent_rows(Assembly& assembly, const Batch& rows, int64_t shards);

}  // namespace variform::model
