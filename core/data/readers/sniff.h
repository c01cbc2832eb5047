#pragma once
// What a file is by its first bytes, where its name does not tell.

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

namespace variform::data {

/// Endings of compressed files that are read as if they were none; the first is for a plain file.
inline constexpr std::array<std::string_view, 5> kCompressions{"", ".gz", ".xz", ".bz2", ".zst"};

/// "Faces.CSV.gz" -> "faces.csv": what is left of a name tells the format.
std::string plain_name(const std::filesystem::path& path);

/// "npy", "npz", "hdf5" (MATLAB's 7.3 among them) or "": nothing that is read here.
std::string format_by_bytes(const std::filesystem::path& path);

/// Of a file that is not read here: what it is, and the line of Python that makes of it what is read, as a sentence's
/// rest ("a Parquet table, which …; …"). Empty for a file that is none of those known.
std::string foreign_format(const std::filesystem::path& path);

}  // namespace variform::data
