#pragma once
// Files compressed by xz, bzip2 and Zstandard as they come out; gzip, the most frequent, has a faster way (inflater.h).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace variform::data {

/// Writes up to n bytes and returns how many; fewer only at the end. Throws ReadError for damaged or truncated data.
using Unpack = std::function<std::size_t(std::uint8_t* to, std::size_t n)>;

/// What unpacks a file that begins like this; empty when none of these formats does. `more` gives the file's bytes, and
/// `name` begins messages. Streams that follow each other in one file are read one after another.
Unpack unpacker(std::string_view begin, Unpack more, std::string name);

/// These formats bound nothing by their length: a header that claims more than this is refused.
inline constexpr std::uint64_t kUnpackedBound = std::uint64_t{1} << 40;

}  // namespace variform::data
