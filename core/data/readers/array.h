#pragma once
// The result of every file reader: a dense array in memory, in C order, with its element type as stored. Free of
// LibTorch, so that the readers compile in a second and can be tested and fuzzed separately.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/readers/array_bytes.h"

namespace variform::data {

/// Thrown for a file that cannot be read. The message is one sentence: file, expected, found.
class ReadError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Element { kUint8, kBool, kInt32, kInt64, kFloat32, kFloat64 };

/// Bytes of one element.
std::size_t size_of(Element element);
/// "uint8", "float64", …
const char* to_string(Element element);

struct Array {
  Element element = Element::kUint8;
  std::vector<std::int64_t> shape;
  ArrayBytes bytes;       ///< product(shape) · size_of(element), this machine's byte order
  bool in_place = false;  ///< they are a mapped file's (base/mapped.h)

  /// The first dimension: the number of examples in the array.
  std::int64_t rows() const { return shape.empty() ? 0 : shape.front(); }
};

/// Returns "60000 x 28 x 28"; "a single number" without dimensions.
std::string describe_shape(std::span<const std::int64_t> shape);

/// Returns the bytes that an array of this shape occupies. Throws ReadError, beginning with `file`, when a dimension is
/// negative or zero, or when the product does not fit into 62 bits.
std::uint64_t byte_count(const std::string& file, std::span<const std::int64_t> shape, Element element);

/// Limits on what reading may take.
struct Bounds {
  std::uint64_t memory = 0;  ///< bytes; 0: half of what is free (base/memory.h)
  bool is_given = false;     ///< by a person, who thus allows files that become far larger than they are
  bool other_files = false;  ///< HDF5: follows links to other files, external storage and virtual datasets
  bool in_place = false;     ///< values stay in their file, and one that does not allow it is refused

  /// `memory`, or half of what is free where it is 0.
  std::uint64_t bytes() const;
};

/// To be called before taking memory whose size a file merely claims. Throws ReadError, beginning with `where`, when it
/// is more than the bounds allow, or when it is beyond kSmall and more than kMostRatio times the `packed` bytes that it
/// comes from (0: it is not packed), as in files made to fill the memory. The message says what allows it.
void check_fits(const std::string& where, std::uint64_t bytes, const Bounds& bounds,
                std::uint64_t packed = 0);
inline constexpr std::uint64_t kSmall = std::uint64_t{1} << 28, kMostRatio = 250;

/// Returns `bytes` bytes of a plain file from `place` on, mapped. Throws ReadError, beginning with `where`.
ArrayBytes bytes_in_place(const std::filesystem::path& path, const std::string& where, std::uint64_t place,
                          std::uint64_t bytes);

/// Refuses values that cannot stay in their file: "FILE: data.stream …, found WHAT; WAY OUT."
[[noreturn]] void refuse_in_place(const std::string& where, const std::string& found,
                                  const std::string& way_out);

/// Appends the rows of `more`; both must agree in the element type and in all dimensions but the first. `file` names
/// the origin of `more` in the error.
void append(Array& to, Array&& more, const std::string& file);

}  // namespace variform::data
