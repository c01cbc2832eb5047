#pragma once
// What is commonly wrong where two numbers disagree: a question beside the numbers, for an author who does not see yet
// where to look. A cause is only named when the numbers fit it.

#include <variform/types.h>

#include <cstdint>
#include <string>

namespace variform::conformance {

/// Why a closed form `found` may differ from `expected`, which is known up to `standard_error`: minus what it should be, a
/// factor, a constant. For d latents. " Is its sign right?…", or empty when nothing common fits.
std::string cause_of(const Tensor& found, const Tensor& expected, const Tensor& standard_error, int64_t d);

/// Why a density may integrate to exp(log_total) instead of 1, over d coordinates.
std::string cause_of_total(double log_total, int64_t d);

/// Why draws may not follow a density, from the quartiles of both, [3] each.
std::string cause_of_draws(const Tensor& draws, const Tensor& expected);

/// Why a gradient may be wrong: "there is none at all", "values jump", or "partly". `function` is what was differentiated.
enum class Slip { kNoGradient, kJumps, kWrong };
std::string cause_of_gradient(const std::string& function, Slip slip, bool reads_on_host);

}  // namespace variform::conformance
