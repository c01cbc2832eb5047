#pragma once
// Inflates deflated bytes as a stream, by ISA-L in half the time of zlib.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

struct inflate_state;

namespace variform::data {

class Inflater {
 public:
  /// Bare deflate, or gzip's members one after another, with their checksums compared. Bytes after the last member that
  /// are not a member are ignored, as in zlib.
  enum class Format { kDeflate, kGzip };
  /// Writes up to n compressed bytes and returns how many; 0 at the end.
  using More = std::function<std::size_t(std::uint8_t* to, std::size_t n)>;

  /// `name` begins messages.
  Inflater(Format format, More more, std::string name);
  ~Inflater();

  /// Reads up to n bytes; fewer only at the end. Throws ReadError when the data are damaged or cut short.
  std::size_t read(std::uint8_t* to, std::size_t n);

 private:
  bool refill(std::size_t least);
  void begin_next_member();
  [[noreturn]] void refuse(const std::string& found) const;

  Format format_;
  More more_;
  std::string name_;
  std::vector<std::uint8_t> buffer_;
  std::unique_ptr<inflate_state> state_;
  bool has_ended_ = false;
};

}  // namespace variform::data
