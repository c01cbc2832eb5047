// Follows PKWARE's APPNOTE.TXT 4.3: local headers with data, then the central directory. Without times.
#include "export/zip.h"

#include <zlib.h>

#include <limits>

#include "base/error.h"

namespace variform::exports {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kLocalHeader = 30;         // bytes before the name
constexpr std::size_t kExtraHeader = 4;          // id and length of an extra field
constexpr std::uint64_t kPaddingId = 0x4246;     // "FB", PyTorch's own padding field
constexpr std::uint64_t kFirstDay = 1 << 5 | 1;  // 1 January 1980

}  // namespace

void Zip::number(std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
}

void Zip::text(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void Zip::header(const Entry& entry, bool central, std::size_t padding) {
  number(central ? 0x02014b50 : 0x04034b50, 4);
  if (central) number(20, 2);  // made by: version 2.0
  number(20, 2);               // needed: version 2.0
  number(1 << 11, 2);          // names are UTF-8
  number(0, 2);                // stored
  number(0, 2);                // time
  number(kFirstDay, 2);
  number(entry.crc32, 4);
  number(entry.size, 4);
  number(entry.size, 4);
  number(entry.name.size(), 2);
  number(padding, 2);
  if (central) {
    number(0, 2 + 2 + 2);  // comment, disk, attributes of the content
    number(0, 4);          // attributes of the file
    number(entry.offset, 4);
  }
  text(entry.name);
}

void Zip::check_size(std::size_t data_bytes) {
  constexpr std::size_t kRoom = std::size_t{1} << 20;  // for headers and directory
  if (data_bytes < std::numeric_limits<std::uint32_t>::max() - kRoom) return;
  throw base::Error(
      "the export would exceed 4 GiB, which its file format cannot hold; export fewer or smaller tensors.");
}

void Zip::add(const std::string& name, std::span<const std::byte> data) {
  check_size(bytes_.size() + data.size());
  if (entries_.size() == std::numeric_limits<std::uint16_t>::max()) {
    throw base::Error(
        "the export would have more than 65535 entries, which its file format cannot hold; export fewer.");
  }
  const auto crc =
      static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
  entries_.push_back({name, data.empty() ? 0 : crc, static_cast<std::uint32_t>(data.size()),
                      static_cast<std::uint32_t>(bytes_.size())});
  const std::size_t start = bytes_.size() + kLocalHeader + name.size() + kExtraHeader;
  const std::size_t fill = (kAlignment - start % kAlignment) % kAlignment;
  header(entries_.back(), false, kExtraHeader + fill);
  number(kPaddingId, 2);
  number(fill, 2);
  text(std::string(fill, 'Z'));
  bytes_.insert(bytes_.end(), data.begin(), data.end());
}

std::vector<std::byte> Zip::finish() {
  const std::size_t directory = bytes_.size();
  for (const Entry& entry : entries_) header(entry, true, 0);
  const std::size_t size = bytes_.size() - directory;
  number(0x06054b50, 4);
  number(0, 2 + 2);  // disks
  number(entries_.size(), 2);
  number(entries_.size(), 2);
  number(size, 4);
  number(directory, 4);
  number(0, 2);  // comment
  return std::move(bytes_);
}

}  // namespace variform::exports
