#pragma once
// The bytes of an array: its own, or memory handed over by another process.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/apart.h"

namespace variform::data {

/// A sequence of bytes with one owner. Memory that was handed over is used in place until it has to grow.
class ArrayBytes {
 public:
  ArrayBytes() = default;
  ArrayBytes(std::vector<std::uint8_t> own) : own_(std::move(own)) {}  // NOLINT: readers make vectors
  explicit ArrayBytes(base::Room room) : room_(std::move(room)) {}
  ArrayBytes(ArrayBytes&&) noexcept = default;
  ArrayBytes& operator=(ArrayBytes&&) noexcept = default;
  ArrayBytes(const ArrayBytes& other) : own_(other.begin(), other.end()) {}
  ArrayBytes& operator=(const ArrayBytes& other) {
    if (this != &other) *this = ArrayBytes(std::vector<std::uint8_t>(other.begin(), other.end()));
    return *this;
  }

  std::uint8_t* data() {
    return room_.bytes ? reinterpret_cast<std::uint8_t*>(room_.bytes.get()) : own_.data();
  }
  const std::uint8_t* data() const { return const_cast<ArrayBytes*>(this)->data(); }
  std::size_t size() const { return room_.bytes ? room_.size : own_.size(); }
  bool empty() const { return size() == 0; }
  std::uint8_t* begin() { return data(); }
  std::uint8_t* end() { return data() + size(); }
  const std::uint8_t* begin() const { return data(); }
  const std::uint8_t* end() const { return data() + size(); }
  std::uint8_t& operator[](std::size_t i) { return data()[i]; }
  std::uint8_t operator[](std::size_t i) const { return data()[i]; }

  void resize(std::size_t size) { mine().resize(size); }
  void append(std::span<const std::uint8_t> more) { mine().insert(mine().end(), more.begin(), more.end()); }
  operator std::span<std::uint8_t>() { return {data(), size()}; }              // NOLINT: that is what it is
  operator std::span<const std::uint8_t>() const { return {data(), size()}; }  // NOLINT

  friend bool operator==(const ArrayBytes& a, const ArrayBytes& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::vector<std::uint8_t>& mine() {
    if (room_.bytes) {
      own_.assign(begin(), end());
      room_ = {};
    }
    return own_;
  }

  std::vector<std::uint8_t> own_;
  base::Room room_;  // stands before `own_` while there is one
};

}  // namespace variform::data
