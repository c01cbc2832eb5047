// See npy.h. The header is a Python dictionary of which three keys in fixed notation are understood.

#include "data/readers/npy.h"

#include <bit>
#include <charconv>
#include <optional>

#include "data/readers/source.h"
#include "data/readers/zip.h"

namespace variform::data {
namespace {

/// The text after `'key':` in the dictionary; nothing when the key is missing.
std::optional<std::string_view> value_of(std::string_view header, const std::string& key) {
  const auto at = header.find("'" + key + "'");
  if (at == std::string_view::npos) return std::nullopt;
  header.remove_prefix(at + key.size() + 2);
  const auto start = header.find_first_not_of(" :");
  if (start == std::string_view::npos) return std::nullopt;
  return header.substr(start);
}

/// "(3, 4)" or "(3,)" or "()".
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

struct Type {
  Element element;
  bool swapped;
};

Type parse_type(const std::string& file, std::string_view text) {
  const std::string_view descr =
      text.starts_with('\'') ? text.substr(1, text.find('\'', 1) - 1) : text.substr(0, 40);
  const std::string_view code = descr.empty() ? descr : descr.substr(1);
  if (code == "O" || code == "O8")
    throw ReadError(file +
                    ": expected numbers, found a pickled Python object array, which is not read; "
                    "save the array with a numeric dtype.");
  const bool swapped = descr.starts_with(std::endian::native == std::endian::little ? '>' : '<');
  if (code == "u1") return {Element::kUint8, false};
  if (code == "b1") return {Element::kBool, false};
  if (code == "i4") return {Element::kInt32, swapped};
  if (code == "i8") return {Element::kInt64, swapped};
  if (code == "f4") return {Element::kFloat32, swapped};
  if (code == "f8") return {Element::kFloat64, swapped};
  throw ReadError(file +
                  ": expected elements of uint8, bool, int32, int64, float32 or float64, found dtype " +
                  std::string(descr) + "; convert with astype before saving.");
}

std::string read_header(ByteSource& source) {
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
    throw ReadError(source.name() + ": expected an npy header of at most 1 MiB, found one of " +
                    std::to_string(length) + " bytes; the file is damaged.");
  const auto header = read_exactly(source, length, "an npy header");
  return std::string(header.begin(), header.end());
}

}  // namespace

Array read_npy(ByteSource& source) {
  const std::string header = read_header(source);
  const auto descr = value_of(header, "descr"), order = value_of(header, "fortran_order"),
             sizes = value_of(header, "shape");
  const auto shape = sizes ? parse_shape(*sizes) : std::nullopt;
  if (!descr || !order || !shape)
    throw ReadError(source.name() +
                    ": expected descr, fortran_order and shape in the npy header, found a header "
                    "without them; the file is damaged.");
  const Type type = parse_type(source.name(), *descr);
  if (!order->starts_with("False") && shape->size() > 1)
    throw ReadError(source.name() +
                    ": expected an array in C order, found Fortran order; "
                    "save numpy.ascontiguousarray of it.");
  Array array{type.element, *shape, {}};
  const std::uint64_t bytes = byte_count(source.name(), array.shape, array.element);
  array.bytes = read_rest(source, bytes,
                          describe_shape(array.shape) + " " + to_string(array.element) + " after the header");
  if (type.swapped) swap_bytes(array.bytes, size_of(array.element));
  if (array.element == Element::kBool)
    for (auto& byte : array.bytes) byte = byte != 0;
  return array;
}

Array read_npy(const std::filesystem::path& path) { return read_npy(*open_file(path)); }

Array read_npz(const std::filesystem::path& path, const std::string& member) {
  const ZipFile zip(path);
  const std::string file = zip.contains(member + ".npy") || !zip.contains(member) ? member + ".npy" : member;
  return read_npy(*zip.open(file));
}

std::vector<std::string> npz_members(const std::filesystem::path& path) {
  auto names = ZipFile(path).names();
  for (auto& name : names)
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
  return names;
}

}  // namespace variform::data
