// The seal's text must never change: an old program must recognise a new file to say that it is newer.
#include "checkpoint/seal.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace variform::checkpoint {
namespace {

constexpr std::string_view kMagic = "Variform checkpoint\n";
constexpr std::string_view kHdf5Signature = "\x89HDF\r\n\x1a\n";

std::uint32_t crc32_of(const void* data, std::size_t size) {
  return static_cast<std::uint32_t>(::crc32_z(0, static_cast<const Bytef*>(data), size));
}

std::string hex(std::uint32_t value) { return fmt::format("{:08x}", value); }

// Takes a line "key VALUE" off the front of `text`; returns false if it does not begin with one.
template <typename Integer>
bool take(std::string_view& text, std::string_view key, Integer& value, int base) {
  if (!text.starts_with(key)) return false;
  const char* const first = text.data() + key.size();
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), value, base);
  if (error != std::errc() || end == text.data() + text.size() || *end != '\n') return false;
  text.remove_prefix(static_cast<std::size_t>(end + 1 - text.data()));
  return true;
}

}  // namespace

std::array<std::byte, kSealBytes> to_bytes(const Seal& seal) {
  std::string text(kMagic);
  text += fmt::format("format {}\nbytes {}\ncrc32 {}\n", seal.format, seal.bytes, hex(seal.crc32));
  text += "seal " + hex(crc32_of(text.data(), text.size())) + "\n";
  std::array<std::byte, kSealBytes> block = {};
  std::memcpy(block.data(), text.data(), text.size());
  return block;
}

KnownPieces checksums_of(base::Pieces pieces) {
  KnownPieces known;
  for (const std::span<const std::byte> bytes : pieces)
    known[{bytes.data(), bytes.size()}] = crc32_of(bytes.data(), bytes.size());
  return known;
}

Seal seal_of(base::Pieces body, int format, const KnownPieces& known) {
  Seal seal{format, 0, 0};
  uLong crc = 0;
  for (const std::span<const std::byte> bytes : body) {
    const auto found = known.find({bytes.data(), bytes.size()});
    const std::uint32_t own = found != known.end() ? found->second : crc32_of(bytes.data(), bytes.size());
    crc = ::crc32_combine(crc, own, static_cast<z_off_t>(bytes.size()));
    seal.bytes += bytes.size();
  }
  seal.crc32 = static_cast<std::uint32_t>(crc);
  return seal;
}

Seal read_seal(std::span<const std::byte> file, int newest, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), std::min(file.size(), kSealBytes));
  if (text.empty()) refuse_damaged(name, "it is empty");
  if (text.starts_with(kHdf5Signature)) refuse_foreign(name, "an HDF5 file without the seal");
  if (!text.starts_with(kMagic.substr(0, std::min(text.size(), kMagic.size())))) {
    refuse_foreign(name, "other bytes at its beginning");
  }
  if (text.size() < kSealBytes) refuse_damaged(name, "it ends within its first 512 bytes");

  Seal seal;
  std::string_view rest = text.substr(kMagic.size());
  const bool parsed = take(rest, "format ", seal.format, 10) && take(rest, "bytes ", seal.bytes, 10) &&
                      take(rest, "crc32 ", seal.crc32, 16);
  if (!parsed || seal.format < 1 || std::memcmp(to_bytes(seal).data(), file.data(), kSealBytes) != 0) {
    refuse_damaged(name, "its first 512 bytes, which tell format, size and checksum, were changed");
  }
  if (seal.format > newest) {
    throw base::Error(
        fmt::format("\"{}\" was written by a newer Variform: it has checkpoint format {}, this program "
                    "reads formats up to {}; use the newer program.",
                    name, seal.format, newest));
  }
  return seal;
}

void check_size(const Seal& seal, std::uint64_t body_bytes, const std::string& name) {
  if (body_bytes == seal.bytes) return;
  refuse_damaged(name, fmt::format("it should have {} bytes and has {}", kSealBytes + seal.bytes,
                                   kSealBytes + body_bytes));
}

void check_body(const Seal& seal, std::span<const std::byte> body, const std::string& name) {
  check_size(seal, body.size(), name);
  const std::uint32_t found = crc32_of(body.data(), body.size());
  if (found == seal.crc32) return;
  refuse_damaged(name, "its bytes have the checksum " + hex(found) + " instead of " + hex(seal.crc32));
}

void refuse_damaged(const std::string& name, const std::string& found) {
  throw base::Error("\"" + name + "\" is a damaged checkpoint: " + found +
                    "; use another checkpoint of the run or train again.");
}

void refuse_foreign(const std::string& name, const std::string& found) {
  throw base::Error("\"" + name +
                    "\" is not a Variform checkpoint: expected the line \"Variform checkpoint\" at its " +
                    "beginning, found " + found + "; check the path.");
}

}  // namespace variform::checkpoint
