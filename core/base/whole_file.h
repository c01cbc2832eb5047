#pragma once
// Writes files whole or not at all: a kill or a full disk never costs the file that was there before.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace variform::base {

// The bytes of a file in order, in pieces that somebody else owns.
using Pieces = std::span<const std::span<const std::byte>>;

// Makes `path` hold exactly `bytes`, durably: temporary file in the same folder, write, fsync, rename, fsync
// of the folder. At every moment `path` is either what it was before or the whole of `bytes`. On failure
// throws Error (path, what failed, the system's reason, free space, what to do) with the temporary file
// removed. A file-size limit (ulimit -f) is such an error only in a process that ignores SIGXFSZ; otherwise
// the system ends the process.
void commit(std::span<const std::byte> bytes, const std::filesystem::path& path);

// Bytes and their place in a file.
struct Placed {
  std::uint64_t at;
  std::span<const std::byte> bytes;

  bool operator==(const Placed& other) const {
    return at == other.at && bytes.data() == other.bytes.data() && bytes.size() == other.bytes.size();
  }
};

// The same for a file of `size` bytes of which some are known later than the others: `first` is written and on its way
// to the disk before `rest` is called, which returns what is missing.
void commit(std::uint64_t size, const std::vector<Placed>& first,
            const std::function<std::vector<Placed>()>& rest, const std::filesystem::path& path);

// The same for a file that is too large for memory: `fill` writes it under the name of the temporary file, which it
// creates and which must not exist. When it returns false or throws, `path` is left as it was. Returns what `fill`
// returned.
bool commit(const std::function<bool(const std::filesystem::path& temporary)>& fill,
            const std::filesystem::path& path);

// Throws commit()'s error: the system's `reason` (errno) stopped the writing of `path`, which needs so many bytes.
[[noreturn]] void fail_to_write(const std::filesystem::path& path, const std::string& what, int reason,
                                std::uintmax_t needed);

// Throws Error if the file is missing or cannot be read.
std::vector<std::byte> read_file(const std::filesystem::path& path);
void read_file(const std::filesystem::path& path,
               const std::function<void(std::span<const std::byte>)>& consume);

}  // namespace variform::base
