#pragma once
// Components of plugins that did not come with the program are tried before they are first trained with: what computes
// silently other numbers than it says must not be found out after hours.

#include <variform/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/experiment.h"
#include "plugins/registry.h"

namespace variform::conformance {

/// Seconds that the trial of one config's plugins may take, besides starting.
inline constexpr std::int64_t kQuickSeconds = 4;

/// What components are tried for.
struct Tried {
  const config::Experiment& experiment;
  const Shape& data;     ///< of one example
  std::int64_t horizon;  ///< steps of the training, for parameters that follow schedules
  std::string program;   ///< its version: another one tries again
};

/// Puts the experiment's components that are not stock through the quick tests (quick.h), with the config's parameters and
/// sizes, in a process of their own; once for a plugin's file, component, parameters and sizes, which is remembered in the
/// user's cache. What was tried is said in `log`. Returns sentences about what is not certain. Throws std::runtime_error
/// where what is trained would be other than it seems, with the likely cause and the command that tells all.
std::vector<std::string> try_guests(const Tried& tried, const plugins::Registry& registry, base::Log& log);

}  // namespace variform::conformance
