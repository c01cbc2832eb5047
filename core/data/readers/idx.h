#pragma once
// The idx format of MNIST and its relatives: 0 0 type rank, big-endian sizes, then the elements.

#include <filesystem>

#include "data/readers/array.h"

namespace variform::data {

/// Reads an idx file, plain or gzip. Throws ReadError for anything else.
Array read_idx(const std::filesystem::path& path, const Bounds& bounds = {});

}  // namespace variform::data
