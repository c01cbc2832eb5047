#pragma once
// How long computations of this folder say where they are.

#include <cstdint>
#include <functional>

namespace variform::metrics {

/// Called with how much of a long computation is done; may throw.
using Progress = std::function<void(std::int64_t done, std::int64_t all)>;

}  // namespace variform::metrics
