#pragma once
// What follows a schedule in an experiment, and what another number of steps does to it.

#include <cstdint>
#include <string>
#include <vector>

#include "config/experiment.h"

namespace variform::train {

/// A training's settings and how many steps they are for.
struct Planned {
  const config::Experiment& experiment;
  std::int64_t horizon;
};

/// A sentence for every learning rate and scheduled parameter that has another value at `step` under the new plan than
/// it would have had under the former one: a schedule that had ended, or had been further on, starts again.
std::vector<std::string> schedules_that_jump(const Planned& before, const Planned& now, std::int64_t step);

}  // namespace variform::train
