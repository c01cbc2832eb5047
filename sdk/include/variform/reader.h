#pragma once
// Reader: arrays from files of a format that the program does not know. A data set names it as a format; files without
// a description are given to it by their suffix or their first bytes. Unless a function says otherwise, the rules of
// variform/component.h hold; calls: once per file; dtype: the array's own, mixed precision or not; device: the CPU;
// autograd: under no_grad; recorded step: never within one; source: the format's own description.

#include <variform/component.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace variform {
inline namespace v2 {

/// One array in a file, as far as it is known without reading its values.
struct ArrayInfo {
  std::string name;  ///< "x", "/train/labels"; unique in the file; empty if there is only one
  Shape shape;       ///< the first dimension counts the rows; no dimension is 0
  at::ScalarType dtype = at::kFloat;     ///< uint8, bool, int32, int64, float32 or float64
  std::vector<std::string> class_names;  ///< of labels from 0: the names of their classes; else empty
};

/// One open file. Its destructor closes it. Unless a function says otherwise: errors: what it throws reaches the user
/// as "FILE: reader NAME: …": say what was expected and what was found.
class VARIFORM_API ArrayFile {
 public:
  virtual ~ArrayFile();
  /// The arrays, the same ones whenever it is asked. Called once or more, before read().
  virtual std::vector<ArrayInfo> arrays() const = 0;
  /// Rows [first, first + count) of an array -> [count, …], its dtype, on the CPU. Any ranges with count ≥ 1, in any
  /// order, and more than once; a range is at most some 64 MB, so that no more than it needs to be in memory. Throws
  /// for a range or a name that the file does not have, and for damaged bytes: never returns values that are not in the
  /// file.
  virtual Tensor read(std::string_view array, int64_t first, int64_t count) = 0;
  /// An ability, as Component::ability(); nullptr when it has none of that name.
  virtual const void* ability(std::string_view id) const;
};

/// Reads the files of one format. Abilities: ext/reader.h. It has parameters like any component, which a data set's
/// description gives it: `format = { type = "svmlight", columns = 300 }`. It is built for each file, on the CPU, beside
/// a model without slots, and registers no state.
class VARIFORM_API Reader : public Component {
 public:
  static constexpr Kind kKind = Kind::kReader;  ///< what kind of component it is
  ~Reader() override;
  /// Endings of its files' names, in lower case with their dot: ".svm". Nothing: the name does not tell. Compressed
  /// files (".svm.gz") are not given to it. The program's own formats keep their endings. Once per lookup, any thread.
  virtual std::vector<std::string> suffixes() const = 0;
  /// True when a file with these first bytes (4,096, or all if it has fewer) is of its format. Asked of files whose
  /// name tells nothing; false in doubt. Must not throw. Once per lookup, any thread.
  virtual bool recognises(std::string_view first_bytes) const = 0;
  /// Opens a file, which may be damaged or made by somebody with bad intentions. Reads as little as it can: `arrays`
  /// are often listed without being read. `path` is absolute; a folder if its name ends with one of suffixes(). Throws
  /// Error for a file that is not of its format.
  virtual std::unique_ptr<ArrayFile> open(const std::string& path) = 0;
};

}  // namespace v2
}  // namespace variform
