#pragma once
// What a data set is, as a TOML table: which files hold which split, how they are read, and how to get them.
// The same table stands in datasets/NAME.toml, in any other file, or inline in a config. datasets/README.md
// explains the keys to users. No LibTorch here: a config's data set is judged before anything is loaded.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "data/readers/csv.h"

namespace variform::data {

/// One array: files whose rows follow each other, and where in them it lies.
struct Source {
  std::vector<std::string> files;
  std::string
      member;  ///< npz: member, hdf5: path, csv: column; empty: the only one (csv: all that nobody else names)
  std::vector<std::string> columns;  ///< csv: several columns, in this order; then there is no member
  std::string format;                ///< one of formats(); empty: told by the file's name

  bool empty() const { return files.empty(); }
};

/// "idx", "npy", "npz", "hdf5", "cifar10", "images", "csv".
const std::vector<std::string>& formats();

struct Split {
  std::string name;
  Source x;
  Source labels, factors, latents;       ///< may be empty; cifar10 and images bring their own labels
  std::optional<std::uint64_t> shuffle;  ///< permutes the rows by this seed before `rows` cuts them
  std::int64_t first = 0, last = 0;      ///< half-open range of rows; last = 0: to the end
  std::int64_t count = 0;                ///< rows that must result; 0: any
};

struct FileFacts {
  std::string name;
  std::int64_t bytes = 0;  ///< 0: not checked. Held against the file before it is read
  std::string sha256;      ///< lower-case hexadecimal; checked when the file is read (verified.h)
};

struct Descriptor {
  std::string name = "dataset";
  std::string title, licence;
  std::string obtain;  ///< a sentence: how to get the files
  std::filesystem::path
      folder;  ///< searched first: that of the file with the description, or its key `folder`
  std::vector<std::string> folders;  ///< sub-folders to look into, in every search folder
  std::string domain;  ///< "real", "unit interval", "binary", "count", "categorical"; empty: by type
  std::vector<std::int64_t>
      shape;                 ///< of one datum, [channels, height, width] or [P]; empty: as in the files
  bool is_on_black = false;  ///< transparent images are laid over black instead of white
  std::optional<bool>
      channels_last;         ///< whether the files hold [height, width, channels]; empty: by the shape
  bool other_files = false;  ///< HDF5: its links to other files, and data that lie in them, are followed
  bool is_guessed = false;   ///< made from a file without a description: the domain is told by values, too
  std::string not_used;      ///< arrays of that file that have no place in it
  std::vector<std::string> class_names;
  std::vector<std::string> factor_names;
  std::vector<std::int64_t> factor_sizes;
  std::vector<FileFacts> files;
  CsvOptions table;           ///< how its tables are written
  std::vector<Split> splits;  ///< never empty after an error-free parse

  /// The split of that name or, when there is but one split, that one; null otherwise.
  const Split* find(const std::string& split) const;
};

/// Reads a descriptor's table; all mistakes go to `diagnostics`.
Descriptor parse_descriptor(const config::Node& table, config::Diagnostics& diagnostics);

/// The file NAME.toml in the first of the folders that has it. Throws ReadError with a near match otherwise.
std::filesystem::path find_descriptor(const std::string& name,
                                      const std::vector<std::filesystem::path>& folders);

/// What a config's `data.dataset` means: a table, the path of a description (it ends with .toml; relative to the
/// config's folder, else to the working folder), a name in `folders`, or a file or folder of data (see guess.h),
/// which is looked for in `data_folders`, too. Mistakes go to `diagnostics`.
Descriptor resolve_descriptor(const config::Node& dataset, const std::vector<std::filesystem::path>& folders,
                              const std::vector<std::filesystem::path>& data_folders,
                              config::Diagnostics& diagnostics);

/// The same data set when written into another file or read from another working folder: paths made absolute, but for
/// files that were found in a data folder.
config::Node portable(const config::Node& dataset, const std::vector<std::filesystem::path>& folders);

/// The names that find_descriptor knows, sorted.
std::vector<std::string> descriptor_names(const std::vector<std::filesystem::path>& folders);

}  // namespace variform::data
