// See other_readers.h.

#include "data/other_readers.h"

#include <algorithm>
#include <system_error>

#include "base/interrupt.h"

namespace variform::data {
namespace {

std::string listed(const std::vector<OtherArray>& arrays) {
  std::string text;
  for (const OtherArray& array : arrays)
    text += (text.empty() ? "" : ", ") + array.name + " [" + describe_shape(array.shape) + "]";
  return text;
}

const OtherArray& chosen(const std::vector<OtherArray>& arrays, const std::string& member,
                         const std::filesystem::path& path) {
  const std::string wanted = member.empty() && arrays.size() > 1 ? "x" : member;
  for (const OtherArray& array : arrays)
    if (array.name == wanted || (wanted.empty() && arrays.size() == 1)) return array;
  throw ReadError(path.string() + ": expected " +
                  (member.empty() ? "the description to say which array (member = \"NAME\")"
                                  : "an array \"" + member + "\"") +
                  ", found " + listed(arrays) + ".");
}

Array array_in_place(OtherFile& file, const OtherArray& found, const std::filesystem::path& path,
                     const std::string& label, std::uint64_t bytes) {
  const auto place = file.first_byte(found);
  if (!place)
    refuse_in_place(path.string(), "a format whose " + label + " does not say where values lie",
                    "write them into an npy or HDF5 file, or give the reader the ability InPlace "
                    "(docs/readers.md)");
  if (found.element == Element::kBool)
    refuse_in_place(path.string(), "bool values", "have the reader announce them as uint8");
  Array array{found.element, found.shape, {}, true};
  array.bytes = bytes_in_place(path, path.string() + " (" + label + ")", *place, bytes);
  return array;
}

}  // namespace

Array read_other(const OtherReaders& readers, const std::string& format, const std::filesystem::path& path,
                 const std::string& member, const Bounds& bounds, std::vector<std::string>& class_names) {
  const auto file = readers.open(format, path);
  const OtherArray& found = chosen(file->arrays(), member, path);
  const std::uint64_t bytes = byte_count(path.string(), found.shape, found.element);
  class_names = found.class_names;
  if (bounds.in_place) return array_in_place(*file, found, path, readers.label(format), bytes);
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);  // a folder has none
  check_fits(path.string(), bytes, bounds, error ? 0 : size);
  Array array{found.element, found.shape, {}};
  array.bytes.resize(bytes);
  constexpr std::uint64_t kAtOnce = std::uint64_t{1} << 26;
  const std::uint64_t per_row = bytes / static_cast<std::uint64_t>(array.rows());
  const auto step = static_cast<std::int64_t>(std::max<std::uint64_t>(kAtOnce / per_row, 1));
  for (std::int64_t first = 0; first < array.rows(); first += step) {
    base::stop_if_interrupted();
    file->read(found, first, std::min(step, array.rows() - first),
               array.bytes.data() + static_cast<std::uint64_t>(first) * per_row);
  }
  return array;
}

}  // namespace variform::data
