#pragma once
// Random streams are derived, never stored: every consumer of random numbers seeds its generator with a hash of
// (seed, purpose, index), so that a training resumes from its step number alone. Light: no LibTorch.

#include <cstdint>
#include <string_view>

namespace variform {
inline namespace v2 {

/// One round of splitmix64: a bijection of 64-bit integers whose output bits all depend on all input bits.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

/// Hash of one part that is an integer.
constexpr std::uint64_t hash_part(std::uint64_t value) { return mix(value); }
/// Hash of one part that is a text (FNV-1a, then mixed).
constexpr std::uint64_t hash_part(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325ull;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return mix(h);
}

/// The seed of the stream that (seed, parts…) names: hash(seed, "epoch", 3). The same on every platform.
template <class... Parts>
constexpr std::uint64_t hash(std::uint64_t seed, const Parts&... parts) {
  std::uint64_t h = mix(seed);
  const auto add = [&h](const auto& part) {
    if constexpr (requires { static_cast<std::uint64_t>(part); })
      h = mix(h ^
              (hash_part(static_cast<std::uint64_t>(part)) + 0x9E3779B97F4A7C15ull + (h << 6) + (h >> 2)));
    else h = mix(h ^ (hash_part(std::string_view(part)) + 0x9E3779B97F4A7C15ull + (h << 6) + (h >> 2)));
  };
  (add(parts), ...);
  return h;
}

}  // namespace v2
}  // namespace variform
