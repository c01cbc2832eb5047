// Plain and gzip files through zlib, which reads both.

#include "data/readers/source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <zlib.h>

#include "data/readers/array.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(const fs::path& path) : name_(path.string()) {
    std::error_code error;
    if (fs::is_directory(path, error)) throw ReadError(name_ + ": expected a file, found a folder.");
    const auto size = fs::file_size(path, error);
    if (error) throw ReadError(name_ + ": cannot be read: " + error.message() + ".");
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) throw ReadError(name_ + ": cannot be opened: " + std::strerror(errno) + ".");
    gzbuffer(file_.get(), 1u << 17);
    bound_ = gzdirect(file_.get()) ? size : size * kDeflateRatio;
  }

  std::size_t read(void* to, std::size_t n) override {
    constexpr std::size_t kMost = 1u << 30;  // zlib counts in int
    const int got = gzread(file_.get(), to, static_cast<unsigned>(std::min(n, kMost)));
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    // A gzip file cut short yields what it has, with Z_BUF_ERROR.
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      std::string why = message;
      if (why.starts_with(name_ + ": ")) why.erase(0, name_.size() + 2);  // zlib begins with the file's name
      throw ReadError(name_ + ": expected intact gzip data, found it " +
                      (code == Z_BUF_ERROR ? "cut short" : "damaged (" + why + ")") +
                      "; the file is truncated or damaged.");
    }
    return static_cast<std::size_t>(got);
  }
  std::uint64_t bound() const override { return bound_; }
  const std::string& name() const override { return name_; }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  std::string name_;
  std::unique_ptr<gzFile_s, Close> file_;
  std::uint64_t bound_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> open_file(const fs::path& path) { return std::make_unique<GzipSource>(path); }

std::vector<std::uint8_t> read_exactly(ByteSource& source, std::uint64_t n, const std::string& what) {
  auto fail = [&](const std::string& found) {
    throw ReadError(source.name() + ": expected " + what + " (" + std::to_string(n) + " bytes), found " +
                    found + "; the file is truncated or its header is damaged.");
  };
  if (n > source.bound())
    fail("a file that can hold no more than " + std::to_string(source.bound()) + " bytes");
  std::vector<std::uint8_t> bytes;
  std::uint64_t have = 0;
  while (have < n) {  // doubling: the memory taken stays within twice what has really been read
    bytes.resize(std::min<std::uint64_t>(n, std::max<std::uint64_t>(1u << 16, 2 * have)));
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
    throw ReadError(source.name() + ": expected the end of the file after " + what + " (" +
                    std::to_string(n) +
                    " bytes), found more data; the file is damaged or of another format.");
  return bytes;
}

void swap_bytes(std::vector<std::uint8_t>& bytes, std::size_t width) {
  if (width < 2) return;
  for (std::size_t i = 0; i + width <= bytes.size(); i += width) {
    const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(i);
    std::reverse(first, first + static_cast<std::ptrdiff_t>(width));
  }
}

}  // namespace variform::data
