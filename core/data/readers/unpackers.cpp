// See unpackers.h.

#include "data/readers/unpackers.h"

#include <bzlib.h>
#include <lzma.h>
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "data/readers/array.h"

namespace variform::data {
namespace {

constexpr std::size_t kPackedBytes = 1u << 17, kMostPieces = 1u << 30;  // bzip2 counts in 32 bits

/// Reads the file's compressed bytes piece by piece.
class Packed {
 public:
  Packed(Unpack more, std::string name)
      : more_(std::move(more)), name_(std::move(name)), bytes_(kPackedBytes) {}

  /// Returns the bytes not used yet; reads more when there are none.
  std::string_view rest() {
    if (at_ == size_) {
      size_ = more_(bytes_.data(), bytes_.size());
      at_ = 0;
    }
    return {reinterpret_cast<const char*>(bytes_.data()) + at_, size_ - at_};
  }
  void use(std::size_t n) { at_ += n; }
  [[noreturn]] void refuse(const char* format, const std::string& found) const {
    throw ReadError(name_ + ": expected intact " + format + " data, found it " + found +
                    "; the file is truncated or damaged.");
  }

 private:
  Unpack more_;
  std::string name_;
  std::vector<std::uint8_t> bytes_;
  std::size_t at_ = 0, size_ = 0;
};

class Xz {
 public:
  explicit Xz(Packed packed) : packed_(std::move(packed)) {
    if (lzma_stream_decoder(&stream_, UINT64_MAX, LZMA_CONCATENATED) != LZMA_OK) throw std::bad_alloc();
  }
  ~Xz() { lzma_end(&stream_); }
  Xz(const Xz&) = delete;
  Xz& operator=(const Xz&) = delete;

  std::size_t read(std::uint8_t* to, std::size_t n) {
    stream_.next_out = to;
    stream_.avail_out = n;
    while (stream_.avail_out > 0 && !has_ended_) {
      const std::string_view rest = packed_.rest();
      stream_.next_in = reinterpret_cast<const std::uint8_t*>(rest.data());
      stream_.avail_in = rest.size();
      const lzma_ret code = lzma_code(&stream_, rest.empty() ? LZMA_FINISH : LZMA_RUN);
      packed_.use(rest.size() - stream_.avail_in);
      has_ended_ = code == LZMA_STREAM_END;
      if (code == LZMA_BUF_ERROR) packed_.refuse("xz", "cut short");
      if (code != LZMA_OK && !has_ended_) packed_.refuse("xz", "damaged");
    }
    return n - stream_.avail_out;
  }

 private:
  Packed packed_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool has_ended_ = false;
};

class Bzip2 {
 public:
  explicit Bzip2(Packed packed) : packed_(std::move(packed)) { begin(); }
  ~Bzip2() { BZ2_bzDecompressEnd(&stream_); }
  Bzip2(const Bzip2&) = delete;
  Bzip2& operator=(const Bzip2&) = delete;

  std::size_t read(std::uint8_t* to, std::size_t n) {
    std::size_t got = 0;
    while (got < n) {
      const std::string_view rest = packed_.rest();
      if (is_between_ && rest.empty()) break;
      if (rest.empty()) packed_.refuse("bzip2", "cut short");
      if (is_between_) next();
      stream_.next_in = const_cast<char*>(rest.data());
      stream_.avail_in = static_cast<unsigned>(rest.size());
      const auto room = static_cast<unsigned>(std::min(n - got, kMostPieces));
      stream_.next_out = reinterpret_cast<char*>(to + got);
      stream_.avail_out = room;
      const int code = BZ2_bzDecompress(&stream_);
      packed_.use(rest.size() - stream_.avail_in);
      got += room - stream_.avail_out;
      is_between_ = code == BZ_STREAM_END;
      if (code != BZ_OK && !is_between_) packed_.refuse("bzip2", "damaged");
    }
    return got;
  }

 private:
  void begin() {
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) throw std::bad_alloc();
  }
  void next() {
    BZ2_bzDecompressEnd(&stream_);
    stream_ = {};
    begin();
  }

  Packed packed_;
  bz_stream stream_{};
  bool is_between_ = false;  // one stream has ended and another may follow
};

class Zstd {
 public:
  explicit Zstd(Packed packed) : packed_(std::move(packed)), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {
    if (!stream_) throw std::bad_alloc();
  }

  std::size_t read(std::uint8_t* to, std::size_t n) {
    ZSTD_outBuffer out{to, n, 0};
    while (out.pos < out.size) {
      const std::string_view rest = packed_.rest();
      const std::size_t before = out.pos;
      ZSTD_inBuffer in{rest.data(), rest.size(), 0};
      const std::size_t code = ZSTD_decompressStream(stream_.get(), &out, &in);
      packed_.use(in.pos);
      if (ZSTD_isError(code) != 0) packed_.refuse("Zstandard", "damaged");
      if (rest.empty() && out.pos == before) {
        if (!is_between_) packed_.refuse("Zstandard", "cut short");
        break;
      }
      is_between_ = code == 0;
    }
    return out.pos;
  }

 private:
  Packed packed_;
  std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream_;
  bool is_between_ = false;
};

template <class Format>
Unpack reading(Packed packed) {
  auto format = std::make_shared<Format>(std::move(packed));
  return [format](std::uint8_t* to, std::size_t n) { return format->read(to, n); };
}

}  // namespace

Unpack unpacker(std::string_view begin, Unpack more, std::string name) {
  Packed packed(std::move(more), std::move(name));
  if (begin.starts_with(std::string_view("\xfd\x37zXZ\0", 6))) return reading<Xz>(std::move(packed));
  if (begin.starts_with("BZh")) return reading<Bzip2>(std::move(packed));
  if (begin.starts_with("\x28\xb5\x2f\xfd")) return reading<Zstd>(std::move(packed));
  return {};
}

}  // namespace variform::data
