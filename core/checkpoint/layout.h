#pragma once
// The parts of the format that compose.cpp and parse.cpp share: the names of its own attributes, the HDF5 type of each
// tensor type, and the content checksum.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/hdf5_file.h"
#include "checkpoint/dtype.h"
#include "checkpoint/snapshot.h"

namespace variform::checkpoint::layout {

constexpr const char* kFormatAttribute = "format_version";
constexpr const char* kContentAttribute = "content_sha256";
constexpr const char* kDtypeAttribute =
    "dtype";  // on bfloat16 datasets, which HDF5 1.10 can only hold as uint16

base::hdf5::Handle file_type(at::ScalarType type);  // the type must be in kDtypes

// The bytes of a contiguous CPU tensor, little-endian as in the file.
std::span<const std::byte> bytes_of(const at::Tensor& tensor);

std::string shape_text(at::IntArrayRef shape);  // "[2, 3]"

// Returns the SHA-256 over format, names, types, shapes and bytes; the tensors must be contiguous and on the CPU.
std::string content_sha256(const Snapshot& snapshot, int format);

}  // namespace variform::checkpoint::layout
