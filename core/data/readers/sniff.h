#pragma once
// What a file is by its first bytes, where its name does not tell.

#include <filesystem>
#include <string>

namespace variform::data {

/// "npy", "npz", "hdf5" (MATLAB's 7.3 among them) or "": nothing that is read here.
std::string format_by_bytes(const std::filesystem::path& path);

/// Of a file that is not read here: what it is, and the line of Python that makes of it what is read, as a sentence's
/// rest ("a Parquet table, which …; …"). Empty for a file that is none of those known.
std::string foreign_format(const std::filesystem::path& path);

}  // namespace variform::data
