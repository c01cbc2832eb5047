#pragma once
// A small file of text, whole.

#include <filesystem>
#include <string>

namespace variform::base {

/// The file's bytes. Throws std::runtime_error unless it is a regular file (or a link to one) that can be read: "FILE:
/// expected a file, found a folder."; a FIFO in its place is not waited for.
std::string contents_of(const std::filesystem::path& file);

/// Whether there is anything under that name, whatever it is; false also where that cannot be told.
bool is_there(const std::filesystem::path& file);

}  // namespace variform::base
