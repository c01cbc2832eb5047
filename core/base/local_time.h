#pragma once
// The time of day as log files have it.

#include <string>

namespace variform::base {

/// "2026-11-30 01:30:05", local time.
std::string local_time();

}  // namespace variform::base
