#pragma once
// Names common mistakes where two numbers disagree: a question beside the numbers, for an author who does not know yet
// where to look. A cause is named only when the numbers fit it.

#include <variform/types.h>

#include <cstdint>
#include <string>

namespace variform::conformance {

/// Returns why a closed form `found` may differ from `expected`, which is known up to `standard_error`: the sign, a
/// factor, a constant. For d latents. " Is its sign right?…", or empty when nothing common fits.
std::string cause_of(const Tensor& found, const Tensor& expected, const Tensor& standard_error, int64_t d);

/// Returns why a density may integrate to exp(log_total) instead of 1, over d coordinates.
std::string cause_of_total(double log_total, int64_t d);

/// Returns why draws may not follow a density, from the quartiles of both, [3] each.
std::string cause_of_draws(const Tensor& draws, const Tensor& expected);

/// How a gradient is wrong: it is missing, values jump, or it is partly wrong. `function` is what was differentiated.
enum class Slip { kNoGradient, kJumps, kWrong };
std::string cause_of_gradient(const std::string& function, Slip slip, bool reads_on_host);

}  // namespace variform::conformance
