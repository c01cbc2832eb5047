#pragma once
// What this folder asks of readers that are not its own: formats that plugins read. It knows no plugin; who opens data
// sets hands it something that does (model/plugin_readers.h).

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/readers/array.h"

namespace variform::data {

/// One array of a file, as announced.
struct OtherArray {
  std::string name;
  std::vector<std::int64_t> shape;
  Element element = Element::kFloat32;
  std::vector<std::string> class_names;  ///< of labels; else empty
};

/// One open file of another format.
class OtherFile {
 public:
  virtual ~OtherFile() = default;
  /// What the file holds, each with at least one row. Throws ReadError.
  virtual const std::vector<OtherArray>& arrays() const = 0;
  /// Copies rows [first, first + count) of an array to `out`. Throws ReadError.
  virtual void read(const OtherArray& array, std::int64_t first, std::int64_t count, std::uint8_t* out) = 0;
  /// The first byte of an array that lies in the file as in memory; nothing where the reader cannot say. Throws
  /// ReadError for an array that does not.
  virtual std::optional<std::uint64_t> first_byte(const OtherArray& array) = 0;
};

/// All readers that are not this folder's. A format is written as in a description: a name, or an inline table of TOML
/// with `type` and the reader's parameters.
class OtherReaders {
 public:
  virtual ~OtherReaders() = default;
  /// The formats' names, sorted.
  virtual std::vector<std::string> formats() const = 0;
  /// Returns what is wrong with a format in a description, as a sentence; empty: nothing.
  virtual std::string problem(const std::string& format) const = 0;
  /// Whether a file of this name (in lower case) is one of theirs.
  virtual bool has_suffix(std::string_view name) const = 0;
  /// Returns the format that claims a file by its name or, if it is a file, by its first bytes; empty: none. Throws
  /// ReadError when several do.
  virtual std::string claimant(const std::filesystem::path& path) const = 0;
  /// Returns "reader svmlight (org.example.svmlight 1.0.0)".
  virtual std::string label(const std::string& format) const = 0;
  /// Opens a file. Throws ReadError.
  virtual std::unique_ptr<OtherFile> open(const std::string& format,
                                          const std::filesystem::path& path) const = 0;
};

/// Reads one array of such a file, or maps it if the bounds say so: the one called `member`; without a member the only
/// one, or that called x. `class_names` is set to its classes. Throws ReadError.
Array read_other(const OtherReaders& readers, const std::string& format, const std::filesystem::path& path,
                 const std::string& member, const Bounds& bounds, std::vector<std::string>& class_names);

}  // namespace variform::data
