#pragma once
// Turns a descriptor's sources into arrays: finds files and chooses readers.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/descriptor.h"
#include "data/readers/array.h"

namespace variform::data {

/// A file that was not found: the message says where it was looked for and how to get it.
class MissingData : public ReadError {
 public:
  using ReadError::ReadError;
};

/// Returns the folders searched for data sets: the given ones (`--data`), those of the environment variable
/// VARIFORM_DATA (separated by colons), and where Debian puts them.
std::vector<std::filesystem::path> data_folders(const std::vector<std::string>& given);

/// The arrays of one split, before rows are cut. Undefined parts are null. Splits may share arrays.
struct SplitArrays {
  std::shared_ptr<const Array> x, labels, factors, latents, condition, mask;
  std::vector<std::string> class_names;
};

/// Reads the splits of one descriptor, each file once. Not thread-safe.
class SplitReader {
 public:
  /// `readers`: of other formats; may be null, must outlive it.
  SplitReader(const Descriptor& descriptor, std::vector<std::filesystem::path> folders,
              const Bounds& bounds = {}, const OtherReaders* readers = nullptr);
  ~SplitReader();

  /// Throws MissingData or ReadError.
  SplitArrays read(const Split& split);
  /// The files and folders read so far.
  const std::vector<std::filesystem::path>& paths() const { return paths_; }
  /// The fingerprint of everything read so far, in that order; see Fingerprint.
  std::string fingerprint() const;
  /// What the readers guessed, one sentence each.
  const std::vector<std::string>& notes() const { return notes_; }
  /// Returns the path of a file: FOLDER/<one of the descriptor's folders>/FILE or FOLDER/FILE, also with .gz appended.
  std::filesystem::path locate(const std::string& file) const;

 private:
  struct Loaded;
  std::shared_ptr<const Loaded> load(const Source& source, const std::vector<std::string>& claimed_columns,
                                     bool in_place = false);
  Array table_columns(const std::filesystem::path& path, const Source& source,
                      const std::vector<std::string>& claimed, Loaded& loaded);

  Array other_array(const std::filesystem::path& path, const Source& source, const std::string& format,
                    const Bounds& bounds, Loaded& loaded);

  Bounds left() const;  // of what may still be read

  const Descriptor& descriptor_;
  const OtherReaders* readers_;
  Bounds bounds_;  // of everything that is read
  std::vector<std::filesystem::path> folders_;
  std::vector<std::pair<std::string, std::shared_ptr<const Loaded>>> cache_;  // by files, member and format
  std::vector<std::pair<std::filesystem::path, Table>> tables_;  // read once for x, labels and the rest
  std::vector<std::filesystem::path> paths_;
  std::vector<std::string> notes_;
};

}  // namespace variform::data
