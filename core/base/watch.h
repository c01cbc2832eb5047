#pragma once
// How long work reports its progress and is stopped.

#include <cstdint>
#include <functional>

#include "base/interrupt.h"

namespace variform::base {

/// Called now and then by long work: its current part ("values", "geometry"), how much of it is done, of how much.
/// Returns false to stop.
using Watch = std::function<bool(const char* part, std::int64_t done, std::int64_t total)>;

/// Calls `watch`, if there is one; throws Interrupted when it says to stop.
inline void tell(const Watch& watch, const char* part, std::int64_t done, std::int64_t total) {
  if (watch && !watch(part, done, total)) throw Interrupted("interrupted");
}

}  // namespace variform::base
