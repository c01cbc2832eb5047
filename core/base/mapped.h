#pragma once
// Parts of files as memory: read by the system when they are touched, and let go of again. For data that are larger
// than the memory. A file that is cut short while it is mapped ends the program (SIGBUS), as a bad disk would.

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "base/apart.h"

namespace variform::base {

/// Maps `size` bytes of a file from `place` on, for reading only. Throws std::system_error, also when the file is
/// shorter.
Room mapped_room(const std::filesystem::path& file, std::uint64_t place, std::size_t size);

/// Lets go of the memory behind bytes of a mapped file; they are read again when they are touched. Of no other memory:
/// its contents would be lost.
void forget(const void* bytes, std::size_t size);

/// Has the system begin to read bytes of a mapped file, without waiting.
void foresee(const void* bytes, std::size_t size);

}  // namespace variform::base
