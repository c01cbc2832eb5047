#pragma once
// Text that signal handlers may build: a fixed buffer, no allocation, no locks.

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace variform::base {

/// Drops what does not fit. Control characters and all that is not ASCII become '?', since names come from others.
class SignalText {
 public:
  SignalText& operator<<(const char* text) {
    for (; text && *text; ++text) {
      const auto byte = static_cast<unsigned char>(*text);
      put((byte < 0x20 && byte != '\n') || byte >= 0x7f ? '?' : *text);
    }
    return *this;
  }
  SignalText& operator<<(const SignalText& other) { return add_shown(other.text()); }
  /// Adds what base::shown() or base::shown_lines() made, unchanged.
  SignalText& add_shown(const char* text) {
    while (*text) put(*text++);
    return *this;
  }
  SignalText& operator<<(std::int64_t number) {
    char digits[24];
    int count = 0;
    const bool negative = number < 0;
    auto rest = negative ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
    do {
      digits[count++] = static_cast<char>('0' + rest % 10);
      rest /= 10;
    } while (rest > 0);
    if (negative) put('-');
    while (count > 0) put(digits[--count]);
    return *this;
  }

  /// NUL-terminated.
  const char* text() const { return buffer_.data(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void write_to(int file, std::size_t from = 0) const {
    const int error = errno;
    for (std::size_t at = from; at < size_;) {
      const ssize_t written = ::write(file, buffer_.data() + at, size_ - at);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) break;
      at += static_cast<std::size_t>(written);
    }
    errno = error;
  }

 private:
  void put(char c) {
    if (size_ + 1 >= buffer_.size()) return;
    buffer_[size_++] = c;
    buffer_[size_] = '\0';
  }
  std::array<char, 4096> buffer_{};
  std::size_t size_ = 0;
};

}  // namespace variform::base
