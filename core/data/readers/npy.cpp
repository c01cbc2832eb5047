// See npy.h. The header is a Python dictionary; only three keys in fixed notation are understood.

#include "data/readers/npy.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "data/readers/source.h"
#include "data/readers/zip.h"

namespace variform::data {
namespace {

/// Returns the text after `'key':` in the dictionary; nothing when the key is missing.
std::optional<std::string_view> value_of(std::string_view header, const std::string& key) {
  const auto at = header.find("'" + key + "'");
  if (at == std::string_view::npos) return std::nullopt;
  header.remove_prefix(at + key.size() + 2);
  const auto start = header.find_first_not_of(" :");
  if (start == std::string_view::npos) return std::nullopt;
  return header.substr(start);
}

/// Parses "(3, 4)" or "(3,)" or "()".
std::optional<std::vector<std::int64_t>> parse_shape(std::string_view text) {
  if (!text.starts_with('(')) return std::nullopt;
  text.remove_prefix(1);
  std::vector<std::int64_t> shape;
  while (true) {
    while (text.starts_with(' ') || text.starts_with(',')) text.remove_prefix(1);
    if (text.starts_with(')')) return shape;
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc() || shape.size() == 32) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with('L')) text.remove_prefix(1);  // written by Python 2
    shape.push_back(size);
  }
}

/// What is stored, and what it becomes: types that tensors lack become the next larger one that holds all their values.
enum class Stored { kAsItIs, kInt8, kInt16, kUint16, kUint32, kUint64, kFloat16 };

struct Type {
  Element element;
  bool swapped;
  Stored stored = Stored::kAsItIs;
};

std::size_t width_of(const Type& type) {
  switch (type.stored) {
    case Stored::kAsItIs: return size_of(type.element);
    case Stored::kInt8: return 1;
    case Stored::kInt16:
    case Stored::kUint16:
    case Stored::kFloat16: return 2;
    case Stored::kUint32: return 4;
    case Stored::kUint64: return 8;
  }
  return 0;
}

template <class From, class To, class Convert>
std::vector<std::uint8_t> converted(std::span<const std::uint8_t> bytes, const Convert& convert) {
  const std::size_t count = bytes.size() / sizeof(From);
  std::vector<std::uint8_t> result(count * sizeof(To));
  for (std::size_t i = 0; i < count; ++i) {
    From from;
    std::memcpy(&from, bytes.data() + i * sizeof(From), sizeof(From));
    const To to = convert(from);
    std::memcpy(result.data() + i * sizeof(To), &to, sizeof(To));
  }
  return result;
}

/// IEEE 754's half precision: sign, 5 bits of exponent, 10 of fraction.
float half_to_float(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int fraction = half & 1023;
  float value = 0;
  if (exponent == 31)
    value = fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  else if (exponent == 0) value = std::ldexp(static_cast<float>(fraction), -24);
  else value = std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return half & 0x8000 ? -value : value;
}

std::vector<std::uint8_t> widened(std::span<const std::uint8_t> bytes, Stored stored,
                                  const std::string& file) {
  const auto widen = [](auto value) { return static_cast<std::int32_t>(value); };
  switch (stored) {
    case Stored::kAsItIs: break;
    case Stored::kInt8: return converted<std::int8_t, std::int32_t>(bytes, widen);
    case Stored::kInt16: return converted<std::int16_t, std::int32_t>(bytes, widen);
    case Stored::kUint16: return converted<std::uint16_t, std::int32_t>(bytes, widen);
    case Stored::kUint32:
      return converted<std::uint32_t, std::int64_t>(bytes, [](auto v) { return std::int64_t{v}; });
    case Stored::kFloat16: return converted<std::uint16_t, float>(bytes, half_to_float);
    case Stored::kUint64:
      return converted<std::uint64_t, std::int64_t>(bytes, [&](std::uint64_t value) {
        if (value >> 63)
          throw ReadError(fmt::format("{}: expected integers below 2^63, found {}.", file, value));
        return static_cast<std::int64_t>(value);
      });
  }
  return {bytes.begin(), bytes.end()};
}

/// Converts Fortran's order, in which the first index moves fastest, to C's.
std::vector<std::uint8_t> in_c_order(std::span<const std::uint8_t> bytes,
                                     const std::vector<std::int64_t>& shape, std::size_t width) {
  std::vector<std::uint8_t> result(bytes.size());
  std::vector<std::size_t> strides, index(shape.size());
  std::size_t stride = width;
  for (const std::int64_t size : shape) {
    strides.push_back(stride);
    stride *= static_cast<std::size_t>(size);
  }
  std::size_t from = 0;
  for (std::size_t to = 0; to < result.size(); to += width) {
    std::memcpy(result.data() + to, bytes.data() + from, width);
    for (std::size_t d = shape.size(); d-- > 0;) {
      from += strides[d];
      if (++index[d] < static_cast<std::size_t>(shape[d])) break;
      from -= strides[d] * index[d];
      index[d] = 0;
    }
  }
  return result;
}

Type parse_type(const std::string& file, std::string_view text) {
  const std::string_view descr =
      text.starts_with('\'') ? text.substr(1, text.find('\'', 1) - 1) : text.substr(0, 40);
  const std::string_view code = descr.empty() ? descr : descr.substr(1);
  if (code == "O" || code == "O8")
    throw ReadError(file +
                    ": expected numbers, found a pickled Python object array, which is not read; save the "
                    "array with a numeric dtype.");
  const bool swapped = descr.starts_with(std::endian::native == std::endian::little ? '>' : '<');
  if (code == "u1") return {Element::kUint8, false};
  if (code == "b1") return {Element::kBool, false};
  if (code == "i4") return {Element::kInt32, swapped};
  if (code == "i8") return {Element::kInt64, swapped};
  if (code == "f4") return {Element::kFloat32, swapped};
  if (code == "f8") return {Element::kFloat64, swapped};
  if (code == "f2") return {Element::kFloat32, swapped, Stored::kFloat16};
  if (code == "i1") return {Element::kInt32, false, Stored::kInt8};
  if (code == "i2") return {Element::kInt32, swapped, Stored::kInt16};
  if (code == "u2") return {Element::kInt32, swapped, Stored::kUint16};
  if (code == "u4") return {Element::kInt64, swapped, Stored::kUint32};
  if (code == "u8") return {Element::kInt64, swapped, Stored::kUint64};
  throw ReadError(file +
                  ": expected integers, bool, or floating-point numbers of 16, 32 or 64 bits, found dtype " +
                  std::string(descr) + "; convert with astype before saving.");
}

struct HeaderText {
  std::string text;
  std::uint64_t size;
};

HeaderText read_header(ByteSource& source) {
  const auto magic = read_exactly(source, 8, "the magic bytes of an npy file");
  const int major = magic[6];
  if (std::string_view(reinterpret_cast<const char*>(magic.data()), 6) != "\x93NUMPY" || major < 1 ||
      major > 3)
    throw ReadError(source.name() +
                    ": expected an npy file of version 1, 2 or 3 (it begins with \\x93NUMPY), "
                    "found another beginning.");
  const std::size_t width = major == 1 ? 2 : 4;
  const auto size = read_exactly(source, width, "the length of an npy header");
  std::uint64_t length = 0;
  for (std::size_t i = width; i-- > 0;) length = length << 8 | size[i];
  if (length > (1u << 20))
    throw ReadError(fmt::format(
        "{}: expected an npy header of at most 1 MiB, found one of {} bytes; the file is damaged.",
        source.name(), length));
  const auto header = read_exactly(source, length, "an npy header");
  // Its whole size is what lies before the values.
  return {std::string(header.begin(), header.end()), 8 + width + length};
}

struct NpyHeader {
  Type type;
  std::vector<std::int64_t> shape;
  bool is_fortran = false;
  std::uint64_t size = 0;  // of the header, in bytes
};

NpyHeader parse_header(ByteSource& source) {
  const auto [header, header_size] = read_header(source);
  const auto descr = value_of(header, "descr"), order = value_of(header, "fortran_order"),
             sizes = value_of(header, "shape");
  const auto shape = sizes ? parse_shape(*sizes) : std::nullopt;
  if (!descr || !order || !shape)
    throw ReadError(source.name() +
                    ": expected descr, fortran_order and shape in the npy header, found a header without "
                    "them; the file is damaged.");
  return {parse_type(source.name(), *descr), *shape, !order->starts_with("False"), header_size};
}

}  // namespace

Array read_npy(ByteSource& source) {
  const auto [type, shape, is_fortran, header_size] = parse_header(source);
  Array array{type.element, shape, {}};
  const std::uint64_t bytes = byte_count(source.name(), array.shape, array.element);
  const std::size_t width = width_of(type);
  const bool is_copied = type.stored != Stored::kAsItIs || (is_fortran && shape.size() > 1);
  if (is_copied)  // the source checks what it reads
    source.check(bytes / size_of(array.element) * (width + size_of(array.element)));
  array.bytes =
      read_rest(source, bytes / size_of(array.element) * width,
                fmt::format("{} elements of {} bytes after the header", describe_shape(array.shape), width));
  if (type.swapped) swap_bytes(array.bytes, width);
  if (is_fortran && shape.size() > 1) array.bytes = in_c_order(array.bytes, array.shape, width);
  if (type.stored != Stored::kAsItIs) array.bytes = widened(array.bytes, type.stored, source.name());
  if (array.element == Element::kBool)
    for (auto& byte : array.bytes) byte = byte != 0;
  return array;
}

namespace {

Array npy_in_place(const std::filesystem::path& path, const Bounds& bounds) {
  const auto source = open_file(path, bounds);
  const auto [type, shape, is_fortran, header_size] = parse_header(*source);
  const std::string name = source->name();
  const auto refuse = [&](const std::string& found) {
    refuse_in_place(name, found,
                    "in Python: a = numpy.load(\"IN.npy\", mmap_mode=\"r\"), then numpy.save(\"OUT.npy\", "
                    "numpy.ascontiguousarray(a, dtype=\"float32\")) or \"uint8\"");
  };
  if (source->packed() != 0) refuse("a compressed file");
  if (type.stored != Stored::kAsItIs || type.element == Element::kBool)
    refuse("values of another type than are used");
  if (type.swapped) refuse("values in the other byte order");
  if (is_fortran && shape.size() > 1) refuse("columns after each other (Fortran order)");
  Array array{type.element, shape, {}, true};
  const std::uint64_t bytes = byte_count(name, shape, type.element);
  array.bytes = bytes_in_place(path, name, header_size, bytes);
  return array;
}

}  // namespace

Array read_npy(const std::filesystem::path& path, const Bounds& bounds) {
  if (bounds.in_place) return npy_in_place(path, bounds);
  return read_npy(*open_file(path, bounds));
}

Array read_npz(const std::filesystem::path& path, const std::string& member, const Bounds& bounds) {
  const ZipFile zip(path, bounds);
  const std::string file = zip.contains(member + ".npy") || !zip.contains(member) ? member + ".npy" : member;
  return read_npy(*zip.open(file));
}

std::vector<NpzEntry> npz_entries(const std::filesystem::path& path) {
  const ZipFile zip(path);
  std::vector<NpzEntry> entries;
  for (std::string name : zip.names()) try {
      NpyHeader header = parse_header(*zip.open(name));
      if (name.ends_with(".npy")) name.resize(name.size() - 4);
      entries.push_back({std::move(name), std::move(header.shape), header.type.element});
    } catch (const ReadError&) {  // pickled objects, texts: unreadable
    }
  return entries;
}

std::vector<std::string> npz_members(const std::filesystem::path& path) {
  auto names = ZipFile(path).names();
  for (auto& name : names)
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
  return names;
}

}  // namespace variform::data
