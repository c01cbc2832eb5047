#pragma once
// A writer of uncompressed zip archives, the container of torch.load.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace variform::exports {

class Zip {
 public:
  // Throws Error if `data_bytes` cannot go into one archive: above 4 GiB another format, zip64, would be needed.
  static void check_size(std::size_t data_bytes);

  // The data of every entry begins at a multiple of 64 bytes, so that a reader may map it. Throws as
  // check_size.
  void add(const std::string& name, std::span<const std::byte> data);
  void add(const std::string& name, std::string_view text) { add(name, std::as_bytes(std::span(text))); }

  std::vector<std::byte> finish();  // the archive; the object is spent

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc32, size, offset;
  };
  void header(const Entry& entry, bool central, std::size_t padding);
  void number(std::uint64_t value, int bytes);
  void text(std::string_view text);

  std::vector<std::byte> bytes_;
  std::vector<Entry> entries_;
};

}  // namespace variform::exports
