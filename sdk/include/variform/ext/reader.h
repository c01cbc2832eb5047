#pragma once
// Abilities of readers.

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

}  // namespace v2
}  // namespace variform
