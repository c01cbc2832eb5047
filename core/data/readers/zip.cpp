// See zip.h. Every offset and size is checked against the file before it is used.

#include "data/readers/zip.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <isa-l/crc.h>

#include "base/interrupt.h"
#include "data/readers/array.h"
#include "data/readers/inflater.h"

namespace variform::data {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kDirectoryEnd = 0x06054b50,
                        kDirectoryEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr std::size_t kLocalHeaderSize = 30, kEntrySize = 46, kEndSize = 22, kEnd64Size = 56,
                      kLocatorSize = 20;
constexpr std::uint64_t kMaxDirectory = std::uint64_t{1}
                                        << 26;  // 64 MiB of member names: no data file needs more

/// A little-endian number of `width` bytes.
std::uint64_t number(const std::uint8_t* at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = value << 8 | at[i];
  return value;
}

ReadError damaged(const std::filesystem::path& path, const std::string& what) {
  return ReadError(path.string() + ": expected a zip file such as npz, " + what +
                   "; the file is truncated, damaged or of another format.");
}

std::vector<std::uint8_t> read_at(const std::filesystem::path& path, std::uint64_t offset, std::uint64_t n) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::uint8_t> bytes(n);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(n));
  if (!file) throw damaged(path, fmt::format("could not read {} bytes at offset {}", n, offset));
  return bytes;
}

struct Directory {
  std::uint64_t offset = 0, size = 0, entries = 0;
};

/// Finds the end-of-directory record, after which only a comment of at most 65,535 bytes may follow.
Directory find_directory(const std::filesystem::path& path, std::uint64_t file_size) {
  const std::uint64_t tail_size = std::min<std::uint64_t>(file_size, kEndSize + 65535 + kLocatorSize);
  const std::uint64_t tail_offset = file_size - tail_size;
  const auto tail = read_at(path, tail_offset, tail_size);
  for (std::size_t i = tail.size() < kEndSize ? 0 : tail.size() - kEndSize + 1; i-- > 0;) {
    const std::uint8_t* end = tail.data() + i;
    if (number(end, 4) != kDirectoryEnd || number(end + 20, 2) != tail.size() - i - kEndSize) continue;
    Directory found{number(end + 16, 4), number(end + 12, 4), number(end + 10, 2)};
    if (i >= kLocatorSize && number(end - kLocatorSize, 4) == kLocator64) {
      const std::uint64_t at = number(end - kLocatorSize + 8, 8);
      if (at > file_size || file_size - at < kEnd64Size)
        throw damaged(path, "found its zip64 record outside the file");
      const auto record = read_at(path, at, kEnd64Size);
      if (number(record.data(), 4) != kDirectoryEnd64)
        throw damaged(path, "found no zip64 record where one is announced");
      found = {number(record.data() + 48, 8), number(record.data() + 40, 8), number(record.data() + 32, 8)};
    }
    if (found.offset > file_size || found.size > file_size - found.offset || found.size > kMaxDirectory)
      throw damaged(path, "found its directory of members to lie outside the file");
    return found;
  }
  throw damaged(path, "found no directory of members at its end");
}

}  // namespace

class ZipFile::Source final : public ByteSource {
 public:
  Source(const ZipFile& zip, const Member& member, std::uint64_t data_offset)
      : ByteSource(zip.bounds_),
        name_(zip.path_.string() + " (member " + member.name + ")"),
        member_(member),
        file_(zip.path_, std::ios::binary),
        compressed_left_(member.compressed) {
    file_.seekg(static_cast<std::streamoff>(data_offset));
    if (member.method == 8)
      inflater_.emplace(
          Inflater::Format::kDeflate, [this](std::uint8_t* to, std::size_t n) { return stored(to, n); },
          name_);
  }

  std::size_t read(void* to, std::size_t n) override {
    auto* const out = static_cast<std::uint8_t*>(to);
    const std::size_t got = inflater_ ? inflater_->read(out, n) : stored(out, n);
    crc_ = crc32_gzip_refl(crc_, out, got);
    produced_ += got;
    if (got < n) check_end();
    return got;
  }
  std::uint64_t bound() const override { return std::min(member_.size, member_.compressed * kDeflateRatio); }
  const std::string& name() const override { return name_; }
  std::uint64_t packed() const override { return inflater_ ? member_.compressed : 0; }

 private:
  std::size_t stored(std::uint8_t* to, std::size_t room) {
    base::stop_if_interrupted();
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(room, compressed_left_));
    file_.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(n));
    if (!file_) throw ReadError(name_ + ": cannot be read to its end; the file is truncated.");
    compressed_left_ -= n;
    return n;
  }

  void check_end() const {
    if (produced_ != member_.size)
      throw ReadError(fmt::format("{}: expected {} bytes, found {}; the file is damaged.", name_,
                                  member_.size, produced_));
    if (crc_ != member_.crc)
      throw ReadError(name_ + ": its checksum does not match its bytes; the file is damaged.");
  }

  std::string name_;
  Member member_;
  std::ifstream file_;
  std::uint64_t compressed_left_ = 0, produced_ = 0;
  std::optional<Inflater> inflater_;  // when the member is compressed
  std::uint32_t crc_ = 0;
};

ZipFile::ZipFile(const std::filesystem::path& path, const Bounds& bounds) : path_(path), bounds_(bounds) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw ReadError(path.string() + ": expected a file, found a folder.");
  file_size_ = std::filesystem::file_size(path, error);
  if (error) throw ReadError(path.string() + ": cannot be read: " + error.message() + ".");
  const Directory directory = find_directory(path, file_size_);
  const auto bytes = read_at(path, directory.offset, directory.size);
  const std::uint8_t* at = bytes.data();
  const std::uint8_t* const end = at + bytes.size();
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (static_cast<std::size_t>(end - at) < kEntrySize || number(at, 4) != kDirectoryEntry)
      throw damaged(
          path, fmt::format("found {} of the {} members that its directory announces", i, directory.entries));
    const std::size_t length = kEntrySize + number(at + 28, 2) + number(at + 30, 2) + number(at + 32, 2);
    if (static_cast<std::size_t>(end - at) < length)
      throw damaged(path, "found its directory of members cut short");
    members_.push_back(parse_member(at, at + length));
    at += length;
  }
}

ZipFile::Member ZipFile::parse_member(const std::uint8_t* at, const std::uint8_t* end) const {
  Member member;
  member.flags = static_cast<std::uint16_t>(number(at + 8, 2));
  member.method = static_cast<std::uint16_t>(number(at + 10, 2));
  member.crc = static_cast<std::uint32_t>(number(at + 16, 4));
  member.compressed = number(at + 20, 4);
  member.size = number(at + 24, 4);
  member.header = number(at + 42, 4);
  const std::size_t name_size = number(at + 28, 2);
  member.name.assign(reinterpret_cast<const char*>(at + kEntrySize), name_size);
  // Extra field 1 (zip64) holds, in this order, those of the three numbers that have all bits set above.
  const std::uint8_t* extra = at + kEntrySize + name_size;
  const std::uint8_t* const extra_end =
      extra + std::min<std::size_t>(number(at + 30, 2), static_cast<std::size_t>(end - extra));
  while (extra_end - extra >= 4) {
    const std::size_t size = number(extra + 2, 2);
    const bool is_zip64 = number(extra, 2) == 1;
    extra += 4;
    if (static_cast<std::size_t>(extra_end - extra) < size) break;
    const std::uint8_t* value = extra;
    for (std::uint64_t* field : {&member.size, &member.compressed, &member.header}) {
      if (!is_zip64 || *field != 0xffffffffu || extra + size - value < 8) continue;
      *field = number(value, 8);
      value += 8;
    }
    extra += size;
  }
  return member;
}

std::vector<std::string> ZipFile::names() const {
  std::vector<std::string> names;
  for (const Member& member : members_) names.push_back(member.name);
  return names;
}

bool ZipFile::contains(const std::string& name) const {
  return std::any_of(members_.begin(), members_.end(), [&](const Member& m) { return m.name == name; });
}

std::unique_ptr<ByteSource> ZipFile::open(const std::string& name) const {
  const auto found =
      std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.name == name; });
  if (found == members_.end()) {
    std::string all;
    for (const Member& member : members_) all += (all.empty() ? "" : ", ") + member.name;
    throw ReadError(path_.string() + ": expected a member \"" + name + "\", found " +
                    (all.empty() ? "none" : all) + ".");
  }
  const Member& member = *found;
  const std::string where = path_.string() + " (member " + name + ")";
  if ((member.flags & 1) != 0) throw ReadError(where + ": expected plain data, found it encrypted.");
  if (member.method != 0 && member.method != 8)
    throw ReadError(fmt::format("{}: expected it stored or deflated, found compression method {}.", where,
                                member.method));
  if (member.header > file_size_ || file_size_ - member.header < kLocalHeaderSize)
    throw damaged(path_, "found member " + name + " to lie outside the file");
  const auto local = read_at(path_, member.header, kLocalHeaderSize);
  const std::uint64_t data =
      member.header + kLocalHeaderSize + number(local.data() + 26, 2) + number(local.data() + 28, 2);
  if (number(local.data(), 4) != kLocalHeader || data > file_size_ || member.compressed > file_size_ - data ||
      (member.method == 0 && member.compressed != member.size))
    throw damaged(path_, "found member " + name + " to lie outside the file or without its header");
  return std::make_unique<Source>(*this, member, data);
}

}  // namespace variform::data
