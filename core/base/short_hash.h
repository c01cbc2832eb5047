#pragma once
// A short hash of a text: against mistakes, not against people who mean harm.

#include <cstdint>
#include <string>
#include <string_view>

namespace variform::base {

/// FNV-1a of 64 bits, folded to 32.
inline std::uint32_t fnv1a(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

/// fnv1a() as eight hexadecimal digits.
inline std::string short_hash(std::string_view text) {
  const std::uint32_t hash = fnv1a(text);
  std::string out;
  for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[(hash >> shift) & 15];
  return out;
}

}  // namespace variform::base
