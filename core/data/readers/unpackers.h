#pragma once
// Unpacks xz, bzip2 and Zstandard as a stream; gzip, the most frequent, has a faster way (inflater.h).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace variform::data {

/// Writes up to n bytes and returns how many; fewer only at the end. Throws ReadError for damaged or truncated data.
using Unpack = std::function<std::size_t(std::uint8_t* to, std::size_t n)>;

/// Returns what unpacks a file that begins like this; empty when none of these formats does. `more` gives the file's
/// bytes, and `name` begins messages. Streams that follow each other in one file are read in order.
Unpack unpacker(std::string_view begin, Unpack more, std::string name);

/// The length of such a file bounds nothing: a header that claims more than this is refused.
inline constexpr std::uint64_t kUnpackedBound = std::uint64_t{1} << 40;

}  // namespace variform::data
