// See idx.h. The whole header is checked against the file's size before any memory is taken.

#include "data/readers/idx.h"

#include <bit>
#include <optional>

#include <fmt/format.h>

#include "data/readers/source.h"

namespace variform::data {
namespace {

std::optional<Element> element_of(std::uint8_t code) {
  switch (code) {
    case 0x08: return Element::kUint8;
    case 0x0C: return Element::kInt32;
    case 0x0D: return Element::kFloat32;
    case 0x0E: return Element::kFloat64;
    default: return std::nullopt;
  }
}

std::string hex(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (std::uint8_t byte : bytes) text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
  return text;
}

}  // namespace

Array read_idx(const std::filesystem::path& path, const Bounds& bounds) {
  const auto source = open_file(path, bounds);
  const auto magic = read_exactly(*source, 4, "the first four bytes of an idx file");
  const auto element = element_of(magic[2]);
  const std::size_t rank = magic[3];
  if (magic[0] != 0 || magic[1] != 0 || !element || rank < 1 || rank > 8)
    throw ReadError(source->name() +
                    ": expected an idx file (two zero bytes, type 08, 0c, 0d or 0e, rank 1 to 8), found it "
                    "to begin with " +
                    hex(magic) + ".");
  const auto sizes = read_exactly(*source, 4 * rank, fmt::format("an idx header with {} sizes", rank));
  Array array;
  array.element = *element;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::uint8_t* b = sizes.data() + 4 * i;
    array.shape.push_back((std::int64_t{b[0]} << 24) | (std::int64_t{b[1]} << 16) |
                          (std::int64_t{b[2]} << 8) | b[3]);
  }
  const std::uint64_t bytes = byte_count(source->name(), array.shape, *element);
  if (bounds.in_place) {
    if (source->packed() != 0 || size_of(*element) > 1)
      refuse_in_place(source->name(),
                      source->packed() != 0 ? "a compressed file" : "values in the other byte order",
                      source->packed() != 0 ? "gunzip it" : "store it as an npy or HDF5 file");
    array.bytes = bytes_in_place(path, source->name(), 4 + 4 * rank, bytes);
    array.in_place = true;
    return array;
  }
  array.bytes = read_rest(*source, bytes,
                          describe_shape(array.shape) + " " + to_string(*element) + " after the header");
  if constexpr (std::endian::native == std::endian::little) swap_bytes(array.bytes, size_of(*element));
  return array;
}

}  // namespace variform::data
