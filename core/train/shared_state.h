#pragma once
// Makes the state of a training the same in all processes of a group: that of process 0.

#include <map>
#include <string>

#include "train/process_group.h"
#include "train/progress.h"

namespace variform::train {

/// Returns the text of process 0. Throws GroupLost.
std::string text_of_first(ProcessGroup& group, const std::string& own);

/// Copies the values of process 0 into tensors, whose names, shapes and dtypes must be those of process 0. Throws
/// GroupLost.
void copy_from_first(ProcessGroup& group, const std::map<std::string, Tensor>& tensors);

/// Returns the progress of process 0, whose sums are put on `device`. Throws GroupLost.
Progress progress_of_first(ProcessGroup& group, const Progress& own, at::Device device);

}  // namespace variform::train
