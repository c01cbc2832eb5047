#pragma once
// The first 512 bytes of a checkpoint: plain text that tells what the file is and whether its bytes are intact. It is
// checked before HDF5 sees the rest, because HDF5 1.10 cannot be trusted with damaged bytes. HDF5 calls such a prefix a
// user block and skips it, so that every HDF5 program reads the file.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "base/whole_file.h"

namespace variform::checkpoint {

struct Seal {
  int format = 0;           // version of the layout of the rest
  std::uint64_t bytes = 0;  // size of the rest
  std::uint32_t crc32 = 0;  // of the rest
};

constexpr std::size_t kSealBytes = 512;

std::array<std::byte, kSealBytes> to_bytes(const Seal& seal);
// `known` holds checksums of pieces computed earlier, which are not read again.
using KnownPieces =
    std::map<std::pair<const std::byte*, std::size_t>, std::uint32_t>;  // CRC-32 by begin and size
KnownPieces checksums_of(base::Pieces pieces);
Seal seal_of(base::Pieces body, int format, const KnownPieces& known = {});

// Reads the seal at the beginning of `file` (its first kSealBytes suffice). Throws Error, naming `name`, if this is not
// a checkpoint, if the seal is damaged, or if its format is newer than `newest`.
Seal read_seal(std::span<const std::byte> file, int newest, const std::string& name);

// Throws Error if `body` is not as the seal says: truncated, too long, or changed.
void check_size(const Seal& seal, std::uint64_t body_bytes, const std::string& name);
void check_body(const Seal& seal, std::span<const std::byte> body, const std::string& name);

// Throw errors about unusable files; `found` is the end of the sentence.
[[noreturn]] void refuse_damaged(const std::string& name, const std::string& found);
[[noreturn]] void refuse_foreign(const std::string& name, const std::string& found);

}  // namespace variform::checkpoint
