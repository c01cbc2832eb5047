#pragma once
// Tells how another number of steps changes the scheduled values of an experiment.

#include <cstdint>
#include <string>
#include <vector>

#include "config/experiment.h"

namespace variform::train {

/// A training's settings, and the number of steps that they are for.
struct Planned {
  const config::Experiment& experiment;
  std::int64_t horizon;
};

/// Returns a sentence for every learning rate and scheduled parameter whose value at `step` differs between the two
/// plans: a schedule that had ended, or had been further on, starts again.
std::vector<std::string> schedules_that_jump(const Planned& before, const Planned& now, std::int64_t step);

}  // namespace variform::train
