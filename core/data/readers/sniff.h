#pragma once
// Recognises files by their first bytes, where their names do not tell.

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace variform::data {

/// Endings of compressed files that are read like plain ones; the first is for a plain file.
inline constexpr std::array<std::string_view, 5> kCompressions{"", ".gz", ".xz", ".bz2", ".zst"};

/// Strips the compression: "Faces.CSV.gz" -> "faces.csv", whose ending tells the format.
std::string plain_name(const std::filesystem::path& path);

/// Returns the first bytes of a file, at most `count`; nothing if it cannot be read.
std::string first_bytes(const std::filesystem::path& path, std::size_t count);

/// Returns the format that a file's name tells; empty when it tells none.
std::string format_by_name(const std::filesystem::path& path);

/// Returns "npy", "npz", "hdf5" (including MATLAB 7.3) or "": nothing that is read here.
std::string format_by_bytes(const std::filesystem::path& path);

/// Describes a file that is not read here, with the line of Python that converts it to one that is, as the rest of a
/// sentence ("a Parquet table, which …; …"). Empty for an unknown file.
std::string foreign_format(const std::filesystem::path& path);

}  // namespace variform::data
