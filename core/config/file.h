#pragma once
// Small files of text. Plain POSIX calls, where the C++ streams would hide the reason of a failure.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace variform::config {

/// Where something that is to be written as `path` goes: the end of a chain of symbolic links, which stay. Only regular
/// files are ever replaced: a device, FIFO or socket is written to.
struct WriteTarget {
  std::filesystem::path path;
  bool is_special = false;  ///< a device, FIFO or socket
};
WriteTarget write_target(const std::filesystem::path& path);

/// Writes a whole file through a temporary beside it and a rename, so that it is there whole or not at all; into a device,
/// FIFO or socket it writes directly. The temporary is new, follows no link, and is gone after a failure; the mode follows
/// the umask. Returns the errno of what could not be done, 0 if all was.
int try_write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

/// try_write_file() of a text. Throws std::runtime_error with the reason.
void write_text_file(const std::filesystem::path& path, std::string_view text);

/// What is known of a file before the work that makes it.
struct PlannedFile {
  std::string option = "--out";  ///< that names another place
  std::uint64_t bytes = 0;       ///< it will have about as many; 0: few
  bool makes_folders = false;    ///< whoever writes it makes the folders that are missing
};
/// Tries before long work what try_write_file() will do after it: makes a file beside `path` and removes it, looks at
/// the free space and at the limit of file sizes. Throws std::runtime_error: "cannot write PATH: REASON; WHAT TO DO".
void require_writable(const std::filesystem::path& path, const PlannedFile& planned = {});

/// Adds to the end of a file, which is made if need be. Throws std::runtime_error with the reason.
void append_text(const std::filesystem::path& path, std::string_view text);

/// Throws std::runtime_error: "cannot WHAT PATH: REASON", the reason being that of an errno, and what to do.
[[noreturn]] void fail_on_file(const std::string& what, const std::filesystem::path& path, int error);

}  // namespace variform::config
