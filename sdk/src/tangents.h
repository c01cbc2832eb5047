#pragma once
// Shared by the three pushforward tiers.

#include <variform/types.h>

namespace variform {
inline namespace v2 {

/// Throws Error unless z is [N, d] and v is [T, N, d] with T ≥ 1.
void check_tangents(const Tensor& z, const Tensor& v);

}  // namespace v2
}  // namespace variform
