#pragma once
// Reads whole text files.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace variform::base {

/// The most bytes that a file which is read whole may have, since others choose the size and memory is ours.
inline constexpr std::uint64_t kMostOfText = 64 << 20;
/// The same for logs, which grow with their run, and for pictures.
inline constexpr std::uint64_t kMostOfLog = std::uint64_t{2} << 30;

/// Returns the file's bytes. Throws std::runtime_error unless it is a regular file (or a link to one) that can be read
/// and has no more than `most`: "FILE: expected a file, found a folder." Never waits for a FIFO.
std::string contents_of(const std::filesystem::path& file, std::uint64_t most = kMostOfText);

/// The same for a file that a user has named, which may also be a pipe or a device (`<(…)`, /dev/stdin), read to its
/// end.
std::string contents_of_named(const std::filesystem::path& file, std::uint64_t most = kMostOfText);

/// Returns its first `size` bytes, or as many as there are, however large it is; otherwise throws like contents_of().
std::string beginning_of(const std::filesystem::path& file, std::size_t size);

/// Whether anything has that name, whatever it is; false also where that is unknown.
bool is_there(const std::filesystem::path& file);

}  // namespace variform::base
