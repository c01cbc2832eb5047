#pragma once
// The description of a data set as a TOML table: which files hold which split, how they are read, and how to get them.
// The same table stands in datasets/NAME.toml, in any other file, or inline in a config. datasets/README.md explains
// the keys to users. Without LibTorch: a config's data set is checked before anything is loaded.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "data/readers/csv.h"

namespace variform::data {

class OtherReaders;

/// One array: files whose rows follow each other, and its place in them.
struct Source {
  std::vector<std::string> files;
  std::string
      member;  ///< npz: member, hdf5: path, csv: column; empty: the only one (csv: all columns that nothing else names)
  std::vector<std::string> columns;  ///< csv: several columns, in this order; then there is no member
  /// One of formats(), or one of OtherReaders; empty: by the file's name and first bytes.
  std::string format;

  bool empty() const { return files.empty(); }
};

/// The formats read here: "idx", "npy", "npz", "hdf5", "cifar10", "images", "csv".
const std::vector<std::string>& formats();

struct Split {
  std::string name;
  Source x;
  Source labels, factors, latents, condition,
      mask;                              ///< may be empty; cifar10 and images bring their own labels
  std::optional<std::uint64_t> shuffle;  ///< permutes the rows by this seed before `rows` cuts them
  std::int64_t first = 0, last = 0;      ///< half-open range of rows; last = 0: to the end
  std::int64_t count = 0;                ///< expected number of rows; 0: any
};

/// Calls visit(source) for x and every other source of a split.
template <class Visit>
void for_each_source(const Split& split, const Visit& visit) {
  for (const Source* source :
       {&split.x, &split.labels, &split.factors, &split.latents, &split.condition, &split.mask})
    visit(*source);
}

struct FileFacts {
  std::string name;
  std::int64_t bytes = 0;  ///< 0: not checked. Compared with the file before it is read
  std::string sha256;      ///< lower-case hexadecimal; checked when the file is read (verified.h)
};

struct Descriptor {
  std::string name = "dataset";
  std::string title, licence;
  std::string obtain;                ///< a sentence on how to get the files
  std::filesystem::path folder;      ///< searched first: the description's folder, or its key `folder`
  std::vector<std::string> folders;  ///< sub-folders to look into, in every search folder
  std::string domain;  ///< "real", "unit interval", "binary", "count", "categorical"; empty: by type
  std::vector<std::int64_t>
      shape;                 ///< of one example, [channels, height, width] or [P]; empty: as in the files
  bool is_on_black = false;  ///< transparent images are laid over black instead of white
  std::optional<bool>
      channels_last;         ///< whether the files hold [height, width, channels]; empty: by the shape
  bool other_files = false;  ///< HDF5: follows links to other files, and data in them
  bool is_guessed = false;   ///< of a file without a description: values decide the domain too
  std::string not_used;      ///< arrays of that file that it does not use
  std::vector<std::string> class_names;
  std::vector<std::string> factor_names;
  std::vector<std::int64_t> factor_sizes;
  std::vector<FileFacts> files;
  CsvOptions table;           ///< how its tables are written
  std::vector<Split> splits;  ///< never empty after an error-free parse

  /// Returns the split of that name, or the only one if there is just one; null otherwise.
  const Split* find(const std::string& split) const;
};

/// Reads a descriptor's table; all mistakes go to `diagnostics`. `readers` knows further formats; may be null.
Descriptor parse_descriptor(const config::Node& table, config::Diagnostics& diagnostics,
                            const OtherReaders* readers = nullptr);

/// Finds the file NAME.toml in the first of the folders that has it. Throws ReadError with a near match otherwise.
std::filesystem::path find_descriptor(const std::string& name,
                                      const std::vector<std::filesystem::path>& folders);

/// Interprets a config's `data.dataset`: a table, the path of a description (it ends with .toml; relative to the
/// config's folder, else to the working folder), a name in `folders`, or a file or folder of data (see guess.h), which
/// is also looked for in `data_folders`. Mistakes go to `diagnostics`.
Descriptor resolve_descriptor(const config::Node& dataset, const std::vector<std::filesystem::path>& folders,
                              const std::vector<std::filesystem::path>& data_folders,
                              config::Diagnostics& diagnostics, const OtherReaders* readers = nullptr);

/// Returns the same data set for another file or working folder: paths made absolute, except those of files that were
/// found in a data folder.
config::Node portable(const config::Node& dataset, const std::vector<std::filesystem::path>& folders);

/// The names that find_descriptor knows, sorted.
std::vector<std::string> descriptor_names(const std::vector<std::filesystem::path>& folders);

}  // namespace variform::data
