#pragma once
// A file of text, whole.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace variform::base {

/// How many bytes a file that is read whole may have. The sizes of files are others' doing, and memory is ours.
inline constexpr std::uint64_t kMostOfText = 64 << 20;
/// The same of what grows as long as a run does, and of pictures.
inline constexpr std::uint64_t kMostOfLog = std::uint64_t{2} << 30;

/// The file's bytes. Throws std::runtime_error unless it is a regular file (or a link to one) that can be read and has
/// no more than `most`: "FILE: expected a file, found a folder."; a FIFO in its place is not waited for.
std::string contents_of(const std::filesystem::path& file, std::uint64_t most = kMostOfText);

/// The same of a file that a user has named, which may be a pipe or a device as well (`<(…)`, /dev/stdin): that is read to
/// its end.
std::string contents_of_named(const std::filesystem::path& file, std::uint64_t most = kMostOfText);

/// Its first bytes, `size` of them or as many as there are, however large it is; throws for the same other reasons.
std::string beginning_of(const std::filesystem::path& file, std::size_t size);

/// Whether there is anything under that name, whatever it is; false also where that cannot be told.
bool is_there(const std::filesystem::path& file);

}  // namespace variform::base
