#pragma once
// Files whose SHA-256 a description gives are held against it when they are read. A large file is read once for that, and
// what was found is remembered in the user's cache.

#include <filesystem>
#include <string>

namespace variform::data {

/// Throws ReadError when the file's SHA-256 is not `expected` (64 lower-case hexadecimal digits), base::Error when it
/// cannot be read. Files of 16 MiB or more that were right are not read again while path, size and time of their last change
/// stay as they were; without a cache folder (XDG_CACHE_HOME, or HOME) they are.
void verify_sha256(const std::filesystem::path& path, const std::string& expected);

}  // namespace variform::data
