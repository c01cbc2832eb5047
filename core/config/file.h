#pragma once
// Small files of text. Plain POSIX calls, where the C++ streams would hide the reason of a failure.

#include <filesystem>
#include <string>
#include <string_view>

namespace variform::config {

/// Writes a whole small file through a temporary beside it and a rename: it is there whole or not at all. Throws
/// std::runtime_error with the reason.
void write_text_file(const std::filesystem::path& path, std::string_view text);

/// Adds to the end of a file, which is made if need be. Throws std::runtime_error with the reason.
void append_text(const std::filesystem::path& path, std::string_view text);

/// Throws std::runtime_error: "cannot WHAT PATH: REASON", the reason being that of an errno, and what to do.
[[noreturn]] void fail_on_file(const std::string& what, const std::filesystem::path& path, int error);

}  // namespace variform::config
