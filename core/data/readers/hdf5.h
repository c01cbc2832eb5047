#pragma once
// Reads one dataset of an HDF5 file: integers, floating-point numbers and h5py's booleans of any byte order.

#include <filesystem>
#include <string>

#include "data/readers/array.h"

namespace variform::data {

/// A dataset in a file.
struct Hdf5Entry {
  std::string path;
  std::vector<std::int64_t> shape;
  Element element = Element::kUint8;
  bool is_numeric = true;  ///< whether read_hdf5() could read it
};

/// Returns all datasets, sorted by their paths; at most 1,000.
std::vector<Hdf5Entry> hdf5_entries(const std::filesystem::path& file);

/// Reads the dataset at `path_inside` ("/train/images"). Integers of more than one byte become int32 or int64, float16
/// becomes float32. Throws ReadError for a dataset that does not exist (naming those that do), for every type that is
/// not a number, for truncated files, for compression that the library lacks, and for files that are being written.
/// Elements that were never written have the fill value; `notes` says so, and whether it read without a lock. Sizes are
/// compared with what is stored. libhdf5 runs in a separate process (base/apart.h): a file that crashes it is a
/// ReadError. Links to other files, external storage and virtual datasets are followed if the bounds say so.
Array read_hdf5(const std::filesystem::path& file, const std::string& path_inside,
                std::vector<std::string>* notes = nullptr, const Bounds& bounds = {});

}  // namespace variform::data
