#pragma once
// Tries components of plugins that did not come with the program before the first training with them, so that silently
// wrong numbers are not found out after hours.

#include <variform/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/experiment.h"
#include "plugins/registry.h"

namespace variform::conformance {

/// Seconds that the trial of one config's plugins may take, not counting the start.
inline constexpr std::int64_t kQuickSeconds = 4;

/// The purpose that components are tried for.
struct Tried {
  const config::Experiment& experiment;
  const Shape& data;     ///< of one example
  std::int64_t horizon;  ///< steps of the training, for parameters that follow schedules
  std::string program;   ///< its version: another one tries again
};

/// Puts the experiment's components that are not stock through the quick tests (quick.h), with the config's parameters
/// and sizes, in separate processes. Each plugin's file, component, parameters and sizes are tried once; the user's
/// cache remembers that. `log` says what was tried. Returns sentences about what is uncertain. Throws
/// std::runtime_error if the training would be of something other than it seems, with the likely cause and the command
/// that tells everything.
std::vector<std::string> try_guests(const Tried& tried, const plugins::Registry& registry, base::Log& log);

}  // namespace variform::conformance
