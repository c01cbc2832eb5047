#pragma once
// Reads untrusted bytes sequentially: plain files, gzip files and members of zip archives look alike, so each format is
// parsed once. Memory follows the bytes that really exist, not what headers claim.

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

  /// Reads up to n bytes; fewer only at the end. Throws ReadError on failure (damaged compression, wrong checksum, read
  /// error).
  virtual std::size_t read(void* to, std::size_t n) = 0;
  /// The most bytes that can come out of the source in all.
  virtual std::uint64_t bound() const = 0;
  /// The source's name in messages: "/data/x.npz (member imgs)".
  virtual const std::string& name() const = 0;
  /// The compressed bytes that it is made from; 0 if it is not compressed.
  virtual std::uint64_t packed() const = 0;
  /// check_fits() for so many bytes of the source.
  void check(std::uint64_t bytes) const { check_fits(name(), bytes, bounds_, packed()); }

 private:
  Bounds bounds_;
};

/// Opens a plain file or one compressed by gzip, xz, bzip2 or Zstandard, which its first bytes tell. Throws ReadError
/// when it cannot be opened.
std::unique_ptr<ByteSource> open_file(const std::filesystem::path& path, const Bounds& bounds = {});

/// Returns exactly n bytes, or throws a ReadError that says that `what` was expected and how much was found.
std::vector<std::uint8_t> read_exactly(ByteSource& source, std::uint64_t n, const std::string& what);

/// Like read_exactly(), but the source must end after it.
std::vector<std::uint8_t> read_rest(ByteSource& source, std::uint64_t n, const std::string& what);

/// Reverses the bytes of each element of `width` bytes in place.
void swap_bytes(std::span<std::uint8_t> bytes, std::size_t width);

/// The most bytes that one byte of deflate can become, rounded up.
inline constexpr std::uint64_t kDeflateRatio = 1040;

}  // namespace variform::data
