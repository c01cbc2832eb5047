#pragma once
// One dataset of an HDF5 file: integers, floating-point numbers and h5py's booleans of any byte order.

#include <filesystem>
#include <string>

#include "data/readers/array.h"

namespace variform::data {

/// Reads the dataset at `path_inside` ("/train/images"). Integers of more than one byte become int32 or int64,
/// float16 becomes float32. Throws ReadError naming what is there when the dataset is not, for every type that is no
/// number, and for truncated files. Sizes are held against what is stored; inside, bytes that were altered on purpose
/// meet libhdf5 itself, which does not survive all of them: read files of strangers in another format.
Array read_hdf5(const std::filesystem::path& file, const std::string& path_inside);

}  // namespace variform::data
