#pragma once
// Reads the part of the zip format that NumPy's npz files use: stored or deflated members, including zip64 sizes.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/readers/source.h"

namespace variform::data {

class ZipFile {
 public:
  /// Reads the central directory. Throws ReadError when the file is not a zip file or is truncated.
  explicit ZipFile(const std::filesystem::path& path, const Bounds& bounds = {});

  /// The members' names, in the file's order.
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const;
  /// Returns a member's bytes; their checksum is compared with the directory's at the end. Throws ReadError when the
  /// member does not exist (naming those that do), is encrypted, or is compressed by something other than deflate.
  std::unique_ptr<ByteSource> open(const std::string& name) const;

 private:
  struct Member {
    std::string name;
    std::uint16_t flags = 0, method = 0;
    std::uint32_t crc = 0;
    std::uint64_t compressed = 0, size = 0, header = 0;  // header: offset of the local header
  };
  class Source;

  Member parse_member(const std::uint8_t* at, const std::uint8_t* end) const;

  std::filesystem::path path_;
  Bounds bounds_;
  std::uint64_t file_size_ = 0;
  std::vector<Member> members_;
};

}  // namespace variform::data
