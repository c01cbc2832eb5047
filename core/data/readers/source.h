#pragma once
// Sequential reading of untrusted bytes: plain files, gzip files and members of zip archives look alike,
// so each format is parsed once. Memory follows the bytes that are really there, not what headers claim.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/readers/array.h"

namespace variform::data {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  explicit ByteSource(const Bounds& bounds) : bounds_(bounds) {}
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Reads up to n bytes; fewer only at the end. Throws ReadError when the bytes cannot be had (damaged
  /// compression, wrong checksum, read error).
  virtual std::size_t read(void* to, std::size_t n) = 0;
  /// No more bytes than this can come out of the source in all.
  virtual std::uint64_t bound() const = 0;
  /// Names the source in messages: "/data/x.npz (member imgs)".
  virtual const std::string& name() const = 0;
  /// The bytes that it is made from, if it is compressed; else 0.
  virtual std::uint64_t packed() const = 0;
  /// check_fits() for so many bytes of it.
  void check(std::uint64_t bytes) const { check_fits(name(), bytes, bounds_, packed()); }

 private:
  Bounds bounds_;
};

/// A plain file or one compressed by gzip, xz, bzip2 or Zstandard (told apart by the first bytes). Throws ReadError
/// when it cannot be opened.
std::unique_ptr<ByteSource> open_file(const std::filesystem::path& path, const Bounds& bounds = {});

/// Exactly n bytes, or a ReadError saying that `what` was expected and how much was found.
std::vector<std::uint8_t> read_exactly(ByteSource& source, std::uint64_t n, const std::string& what);

/// read_exactly, after which the source must end.
std::vector<std::uint8_t> read_rest(ByteSource& source, std::uint64_t n, const std::string& what);

/// Reverses the bytes of each element of `width` bytes in place.
void swap_bytes(std::span<std::uint8_t> bytes, std::size_t width);

/// The most that one compressed byte of deflate can become, rounded up.
inline constexpr std::uint64_t kDeflateRatio = 1040;

}  // namespace variform::data
