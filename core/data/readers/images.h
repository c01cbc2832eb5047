#pragma once
// Folders of PNG and JPEG images.

#include <filesystem>
#include <string>
#include <vector>

#include "data/readers/array.h"

namespace variform::data {

struct ImageFolder {
  Array x;                           ///< uint8 [N, 1 or 3, height, width]
  Array labels;                      ///< int64 [N]: the sub-folder's number; empty without sub-folders
  std::vector<std::string> classes;  ///< the sub-folders' names in sorted order, numbered from 0
};

/// Reads every .png, .jpg and .jpeg in the folder in the order of their names or, if it holds none, in its
/// sub-folders, whose place in the order of names is the label. All must have one size. One colour image makes all
/// three channels; transparency is dropped, 16 bits become 8, gamma is left alone. Throws ReadError otherwise.
ImageFolder read_images(const std::filesystem::path& folder);

}  // namespace variform::data
