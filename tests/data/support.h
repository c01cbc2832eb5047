#pragma once
// Writes the files that the readers read, byte by byte from the formats' definitions, so that a reader is never held
// against a writer that shares its misunderstandings.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "catch.h"
#include "data/readers/array.h"

namespace variform::data::testing {

using Bytes = std::vector<std::uint8_t>;

/// A folder of its own that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::filesystem::path write(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);
std::filesystem::path write(const std::filesystem::path& path, const std::string& text);
Bytes read(const std::filesystem::path& path);

/// 0, 1, 2, … modulo 251: no two neighbouring rows alike.
Bytes ramp(std::size_t n);
void add_number(Bytes& to, std::uint64_t value, std::size_t width, bool big_endian = false);

Bytes idx(std::uint8_t type, const std::vector<std::uint32_t>& sizes, std::span<const std::uint8_t> elements);
Bytes gzip(std::span<const std::uint8_t> bytes);
Bytes npy(const std::string& descr, const std::string& shape, std::span<const std::uint8_t> elements,
          bool fortran = false);

struct Member {
  std::string name;
  Bytes bytes;
  bool deflated = false, zip64 = false;
};
Bytes zip(const std::vector<Member>& members);
/// Records of a label and 3,072 bytes.
Bytes cifar10(const std::vector<std::uint8_t>& labels);
/// channels 1 or 3, interleaved rows.
std::filesystem::path write_png(const std::filesystem::path& path, int width, int height, int channels,
                                std::span<const std::uint8_t> pixels);
/// 4 channels: inks as Adobe's programs store them, 255 for none.
std::filesystem::path write_jpeg(const std::filesystem::path& path, int width, int height, int channels,
                                 std::span<const std::uint8_t> pixels);

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(values.data());
  return {first, first + values.size() * sizeof(T)};
}
template <class T>
std::vector<T> values_of(const Array& array) {
  REQUIRE(array.bytes.size() % sizeof(T) == 0);
  const auto* first = reinterpret_cast<const T*>(array.bytes.data());
  return {first, first + array.bytes.size() / sizeof(T)};
}

/// The message of the ReadError that `act` throws; fails when it throws none or another.
template <class Act>
std::string refusal(Act act) {
  try {
    act();
  } catch (const ReadError& error) {
    return error.what();
  } catch (const std::exception& error) {
    FAIL("expected a ReadError, found: " << error.what());
  }
  FAIL("expected a ReadError, found none");
  return {};
}

}  // namespace variform::data::testing
