#pragma once
// Abilities of readers and of the files that they open. Unless a function says otherwise, the rules of
// variform/reader.h hold.

#include <variform/reader.h>

namespace variform {
inline namespace v2 {

/// A reader that can write a file of its format. Needed by: `variform check`, which reads that file in every way, and
/// damages it.
class ExampleFile {
 public:
  static constexpr std::string_view kId = "variform.example-file/1";  ///< its name
  /// Writes a small file: some kilobytes, an array of five rows or more, values that differ. `path` is absolute, does
  /// not exist, and has the first of suffixes().
  virtual void write_example(const std::string& path) const = 0;

 protected:
  ~ExampleFile() = default;
};

/// An open file that holds values as they lie in memory. Needed by: data larger than the memory (`data.stream = true`),
/// whose file is then mapped, so that only the rows of a batch are read.
class InPlace {
 public:
  static constexpr std::string_view kId = "variform.in-place/1";  ///< its name
  /// The first byte of an array in the file that was opened: from there its values follow each other, row after row, of
  /// its dtype, in this machine's byte order, not compressed. A multiple of the size of a value. Throws Error for an
  /// array of which this is not so: say what is found instead, and what would write such a file. Called before read(),
  /// once or more.
  virtual int64_t first_byte(std::string_view array) const = 0;

 protected:
  ~InPlace() = default;
};

}  // namespace v2
}  // namespace variform
