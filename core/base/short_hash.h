#pragma once
// A short hash of a text: against mistakes, not against people who mean harm.

#include <cstdint>
#include <string>
#include <string_view>

namespace variform::base {

/// Eight hexadecimal digits (FNV-1a of 64 bits, folded).
inline std::string short_hash(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  hash ^= hash >> 32;
  std::string out;
  for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[(hash >> shift) & 15];
  return out;
}

}  // namespace variform::base
