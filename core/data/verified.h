#pragma once
// Compares files with the SHA-256 of their description when they are read. A large file is read once for that; the
// result is remembered in the user's cache.

#include <filesystem>
#include <string>

namespace variform::data {

/// Throws ReadError when the file's SHA-256 is not `expected` (64 lower-case hexadecimal digits), base::Error when it
/// cannot be read. Files of 16 MiB or more that were right are not read again while their path, size and modification
/// time stay the same, unless there is no cache folder (XDG_CACHE_HOME, or HOME).
void verify_sha256(const std::filesystem::path& path, const std::string& expected);

}  // namespace variform::data
