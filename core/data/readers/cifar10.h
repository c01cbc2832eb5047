#pragma once
// CIFAR-10's binary format: records of one label byte and 3 x 32 x 32 bytes.

#include <filesystem>

#include "data/readers/array.h"

namespace variform::data {

struct Labelled {
  Array x;       ///< uint8 [N, channels, height, width]
  Array labels;  ///< int64 [N]; empty when there are none
};

/// Reads one batch file, plain or gzip. Throws ReadError when it does not consist of whole records with labels 0 to 9.
Labelled read_cifar10(const std::filesystem::path& path, const Bounds& bounds = {});

}  // namespace variform::data
