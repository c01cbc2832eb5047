#pragma once
// Components of plugins that did not come with the program are tried before they are first trained with: what computes
// silently other numbers than it says must not be found out after hours.

#include <string>
#include <vector>

#include "cli/commands.h"

namespace variform::cli {

/// Seconds that the trial of one config's plugins may take, besides starting.
inline constexpr std::int64_t kQuickSeconds = 4;

/// Puts the components of a session that are not stock through the quick tests (conformance/quick.h), with the config's
/// parameters and sizes, in a process of their own; once for a plugin's file, component, parameters and sizes, which is
/// remembered in the user's cache. Returns sentences about what is not certain. Throws std::runtime_error where what is
/// trained would be other than it seems, with the likely cause and the command that tells all.
std::vector<std::string> try_guests(const model::Session& session, const plugins::Registry& registry,
                                    bool quiet);

}  // namespace variform::cli
