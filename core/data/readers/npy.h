#pragma once
// Reads NumPy's npy files and members of npz files: uint8, bool, int32, int64, float32, float64 in C order.

#include <filesystem>
#include <string>
#include <vector>

#include "data/readers/array.h"

namespace variform::data {

class ByteSource;

/// Reads an npy file. Throws ReadError for anything else, for Fortran order and for pickled objects, which
/// only Python can read (and which may run code when read).
Array read_npy(const std::filesystem::path& path, const Bounds& bounds = {});
Array read_npy(ByteSource& source);

/// Reads one member of an npz file: "imgs" for imgs.npy. Ignores other members.
Array read_npz(const std::filesystem::path& path, const std::string& member, const Bounds& bounds = {});

/// Returns the members of an npz file, without ".npy".
std::vector<std::string> npz_members(const std::filesystem::path& path);

struct NpzEntry {
  std::string name;
  std::vector<std::int64_t> shape;
  Element element = Element::kUint8;
};
/// Returns the members that read_npz() could read, by their headers alone.
std::vector<NpzEntry> npz_entries(const std::filesystem::path& path);

}  // namespace variform::data
