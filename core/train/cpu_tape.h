#pragma once
// Recording of a training step on the CPU: the operators below autograd that one ordinary step runs, called again on
// the same memory. A small model's step is hardly arithmetic: autograd, dispatch, views and allocation are most of its
// time.

#include <variform/types.h>

#include "train/repeated_step.h"

namespace variform::train {

/// Returns a maker of recorders for the CPU; empty on other devices. A step may draw from `rng` only. It is refused
/// (Recorder::refusal) where an operator's results cannot be had again by calling it: the host reads values, shapes
/// depend on data, random numbers come from elsewhere, values get into memory past LibTorch's operators, or the step's
/// intermediate results take more than `most_bytes`, all of which a recording keeps: steps of more gain nothing by it.
RepeatedStep::MakeRecorder tape_recorder(const at::Device& device, const Generator& rng,
                                         std::size_t most_bytes = std::size_t{64} << 20);

}  // namespace variform::train
