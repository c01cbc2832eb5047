#pragma once
// A file as a data set: the description that nobody wrote, guessed from what the file holds.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"

namespace variform::data {

/// A file or folder that `data.dataset` names, and the array in it, if it says which.
struct NamedFile {
  std::filesystem::path path;
  std::string member;
  bool is_beside = true;  ///< found beside the config or in the working folder, not in a search folder
};

/// Whether a text looks like a file's or a folder's name rather than a data set's: it has a slash or a known ending.
bool names_file(const std::string& text);

/// "faces.npz", "faces.h5:/x", "images/": beside the file in which it was written, in the working folder, then in the data
/// folders. Empty when nothing is there.
std::optional<NamedFile> find_file(const std::string& text, const config::Position& where,
                                   const std::vector<std::filesystem::path>& data_folders);

/// The description of a file as a TOML text, to be written beside it. Which array is x, which are labels, factors and
/// splits is told from their names and shapes; a comment at its end ("# Not used: …") names the rest. Throws ReadError
/// when nothing in it can be x, when several arrays could, and for a file that is not read here.
std::string guess_description(const NamedFile& file);

/// How that comment begins.
inline constexpr std::string_view kNotUsed = "# Not used: ";

}  // namespace variform::data
