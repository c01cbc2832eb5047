// Plain and compressed files, told apart by their first bytes.

#include "data/readers/source.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "base/interrupt.h"
#include "base/retry.h"
#include "data/readers/array.h"
#include "data/readers/inflater.h"
#include "data/readers/unpackers.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

class FileSource final : public ByteSource {
 public:
  FileSource(const fs::path& path, const Bounds& bounds) : ByteSource(bounds), name_(path.string()) {
    std::error_code error;
    if (fs::is_directory(path, error)) throw ReadError(name_ + ": expected a file, found a folder.");
    size_ = bound_ = fs::file_size(path, error);
    if (error) throw ReadError(name_ + ": cannot be read: " + error.message() + ".");
    file_.reset(base::open_stream(path.c_str(), "rb"));
    if (!file_) throw ReadError(name_ + ": cannot be opened: " + std::strerror(errno) + ".");
    std::uint8_t magic[6] = {};
    const std::string_view begin(reinterpret_cast<const char*>(magic), plain(magic, sizeof(magic)));
    std::rewind(file_.get());
    const auto more = [this](std::uint8_t* to, std::size_t n) { return plain(to, n); };
    if (begin.starts_with("\x1f\x8b")) {
      bound_ *= kDeflateRatio;
      auto inflater = std::make_shared<Inflater>(Inflater::Format::kGzip, more, name_);
      unpack_ = [inflater](std::uint8_t* to, std::size_t n) { return inflater->read(to, n); };
    } else if (unpack_ = unpacker(begin, more, name_); unpack_) {
      bound_ = kUnpackedBound;
    }
  }

  std::size_t read(void* to, std::size_t n) override {
    return unpack_ ? unpack_(static_cast<std::uint8_t*>(to), n) : plain(to, n);
  }
  std::uint64_t bound() const override { return bound_; }
  const std::string& name() const override { return name_; }
  std::uint64_t packed() const override { return unpack_ ? size_ : 0; }

 private:
  std::size_t plain(void* to, std::size_t n) {
    base::stop_if_interrupted();
    const std::size_t got = base::read_stream(to, n, file_.get());
    if (got < n && std::ferror(file_.get()) != 0)
      throw ReadError(name_ + ": cannot be read to its end: " + std::strerror(errno) + ".");
    return got;
  }

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string name_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t size_ = 0, bound_ = 0;
  Unpack unpack_;  // when the file is compressed
};

}  // namespace

std::unique_ptr<ByteSource> open_file(const fs::path& path, const Bounds& bounds) {
  return std::make_unique<FileSource>(path, bounds);
}

std::vector<std::uint8_t> read_exactly(ByteSource& source, std::uint64_t n, const std::string& what) {
  auto fail = [&](const std::string& found) {
    throw ReadError(
        fmt::format("{}: expected {} ({} bytes), found {}; the file is truncated or its header is damaged.",
                    source.name(), what, n, found));
  };
  if (n > source.bound()) fail(fmt::format("a file that can hold no more than {} bytes", source.bound()));
  source.check(n);
  // Pages of memory are taken when they are written to, so that reserving costs nothing where a damaged header asks for
  // too much. Beyond the reserve, doubling stays within twice what has really been read.
  constexpr std::uint64_t kReserved = std::uint64_t{1} << 28, kAtOnce = 1u << 18;
  std::vector<std::uint8_t> bytes;
  bytes.reserve(std::min(n, kReserved));
  std::uint64_t have = 0;
  while (have < n) {
    bytes.resize(std::min(n, have + kAtOnce));  // zeros that are still in the cache when they are overwritten
    const std::size_t got = source.read(bytes.data() + have, bytes.size() - have);
    if (got == 0) fail("only " + std::to_string(have));
    have += got;
  }
  return bytes;
}

std::vector<std::uint8_t> read_rest(ByteSource& source, std::uint64_t n, const std::string& what) {
  auto bytes = read_exactly(source, n, what);
  std::uint8_t one = 0;
  if (source.read(&one, 1) != 0)
    throw ReadError(
        fmt::format("{}: expected the end of the file after {} ({} bytes), found more data; the file is "
                    "damaged or of another format.",
                    source.name(), what, n));
  return bytes;
}

void swap_bytes(std::span<std::uint8_t> bytes, std::size_t width) {
  if (width < 2) return;
  for (std::size_t i = 0; i + width <= bytes.size(); i += width) {
    const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(i);
    std::reverse(first, first + static_cast<std::ptrdiff_t>(width));
  }
}

}  // namespace variform::data
