// Shapes and sizes of arrays as read from files: every number comes from an untrusted header.

#include "data/readers/array.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/mapped.h"
#include "base/memory.h"
#include "config/text.h"

namespace variform::data {

std::size_t size_of(Element element) {
  switch (element) {
    case Element::kUint8:
    case Element::kBool: return 1;
    case Element::kInt32:
    case Element::kFloat32: return 4;
    case Element::kInt64:
    case Element::kFloat64: return 8;
  }
  return 1;
}

const char* to_string(Element element) {
  switch (element) {
    case Element::kUint8: return "uint8";
    case Element::kBool: return "bool";
    case Element::kInt32: return "int32";
    case Element::kInt64: return "int64";
    case Element::kFloat32: return "float32";
    case Element::kFloat64: return "float64";
  }
  return "unknown";
}

std::string describe_shape(std::span<const std::int64_t> shape) {
  if (shape.empty()) return "a single number";
  std::string text;
  for (std::int64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

std::uint64_t byte_count(const std::string& file, std::span<const std::int64_t> shape, Element element) {
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 62;
  std::uint64_t total = size_of(element);
  for (std::int64_t size : shape) {
    if (size <= 0)
      throw ReadError(file + ": expected at least one element, found an array of " + describe_shape(shape) +
                      ".");
    if (static_cast<std::uint64_t>(size) > kLimit / total)
      throw ReadError(file + ": its header claims an array of " + describe_shape(shape) +
                      " elements, more than any file holds; the header is damaged.");
    total *= static_cast<std::uint64_t>(size);
  }
  return total;
}

std::uint64_t Bounds::bytes() const { return memory != 0 || is_given ? memory : base::free_memory() / 2; }

void check_fits(const std::string& where, std::uint64_t bytes, const Bounds& bounds, std::uint64_t packed) {
  constexpr std::uint64_t kNotWorthAsking = std::uint64_t{1} << 24;
  if (bytes <= kNotWorthAsking) return;
  const auto way_out = [&] {
    const std::string gigabytes = std::to_string(bytes * 5 / 4 / 1'000'000'000 + 1);
    return "; if that is meant, --memory " + gigabytes + " or the config's data.memory = " + gigabytes +
           " (in GB) allows it.";
  };
  if (const std::uint64_t allowed = bounds.bytes(); bytes > allowed)
    throw ReadError(where + ": it needs " + base::memory_text(bytes) +
                    " of memory, and what is read may take " + base::memory_text(allowed) +
                    (bounds.is_given ? " (--memory, data.memory)" : " here, half of what is free") +
                    way_out());
  if (packed != 0 && !bounds.is_given && bytes > kSmall && bytes / kMostRatio > packed)
    throw ReadError(fmt::format(
        "{}: {} become {}, more than {} times as much, as in a file that was made to fill the memory{}",
        where, base::memory_text(packed), base::memory_text(bytes), kMostRatio, way_out()));
}

ArrayBytes bytes_in_place(const std::filesystem::path& path, const std::string& where, std::uint64_t place,
                          std::uint64_t bytes) try {
  return ArrayBytes(base::mapped_room(path, place, bytes));
} catch (const std::system_error& error) {
  if (error.code().value() != ENODATA)
    throw ReadError(where + ": cannot be read in place (" + error.code().message() + ").");
  throw ReadError(
      fmt::format("{}: expected {} bytes of values from byte {} on, found fewer; the file is truncated.",
                  where, bytes, place));
}

void refuse_in_place(const std::string& where, const std::string& found, const std::string& way_out) {
  throw ReadError(
      where +
      ": data.stream = true leaves the values in their file, where they must lie as they are used: one row "
      "after the other, not compressed, in this machine's byte order; found " +
      found + "; " + way_out + ".");
}

void append(Array& to, Array&& more, const std::string& file) {
  if (to.shape.empty() && to.bytes.empty()) {
    to = std::move(more);
    return;
  }
  auto row = [](const Array& a) { return std::span(a.shape).subspan(a.shape.empty() ? 0 : 1); };
  const auto a = row(to), b = row(more);
  if (to.element != more.element || !std::equal(a.begin(), a.end(), b.begin(), b.end()))
    throw ReadError(file + ": expected rows of " + describe_shape(a) + " " + to_string(to.element) +
                    " as in the files before it, found " + describe_shape(b) + " " + to_string(more.element) +
                    ".");
  to.bytes.append(more.bytes);
  to.shape.front() += more.shape.front();
}

}  // namespace variform::data
