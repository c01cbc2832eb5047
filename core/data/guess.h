#pragma once
// Guesses the description of a file that has none from its contents.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"

namespace variform::data {

class OtherReaders;

/// A file or folder named by `data.dataset`, and the array in it, if given.
struct NamedFile {
  std::filesystem::path path;
  std::string member;
  bool is_beside = true;  ///< found beside the config or in the working folder, not in a search folder
};

/// Whether a text looks like the name of a file or folder rather than of a data set: it has a slash or a known ending.
bool names_file(const std::string& text);

/// Finds "faces.npz", "faces.h5:/x", "images/": beside the file in which it was written, in the working folder, then in
/// the data folders. Empty when nothing is there.
std::optional<NamedFile> find_file(const std::string& text, const config::Position& where,
                                   const std::vector<std::filesystem::path>& data_folders);

/// Returns the description of a file as a TOML text, to be written beside it. The names and shapes of arrays decide
/// which are x, labels, factors and splits; a comment at its end ("# Not used: …") names the others. Throws ReadError
/// when none can be x, when several could, and for a file that cannot be read here.
/// `readers` knows further formats; may be null.
std::string guess_description(const NamedFile& file, const OtherReaders* readers = nullptr);

/// The beginning of that comment.
inline constexpr std::string_view kNotUsed = "# Not used: ";

}  // namespace variform::data
