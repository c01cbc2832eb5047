#pragma once
// Lists the images in a folder: the same search for everything that reads or imports a folder, with an account of what
// was taken and what was left out.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace variform::data {

/// The meaning of sub-folders.
enum class Classes {
  kIfAny,     ///< classes, if more images lie in sub-folders than beside them
  kNone,      ///< nothing: every image is taken, wherever it lies
  kRequired,  ///< classes; images beside them are left out
};

struct ImageListing {
  std::vector<std::filesystem::path>
      images;                        ///< below the folder, sorted by their paths part by part, byte by byte
  std::vector<std::int64_t> labels;  ///< of every image: its class; empty without classes
  std::vector<std::string> classes;  ///< the first parts of the images' paths, sorted
  std::vector<std::string> account;  ///< sentences on what was taken, and what was left out and why
};

/// Searches the folder and everything below it. Names' endings, in any case, tell which files are images; their bytes
/// tell the format when they are read. Follows links and stops at loops. Leaves out, and says so: hidden entries,
/// leftovers of operating systems and synchronisers, links to nothing, other files. Throws ReadError for a folder that
/// does not exist or holds no image, and for a class whose name is not UTF-8.
ImageListing list_images(const std::filesystem::path& folder, Classes classes);

/// Whether the name ends with .png, .jpg, .jpeg, .jpe, .jfif, .gif, .webp, .tif, .tiff or .bmp, in any case.
bool is_image(const std::filesystem::path& path);

/// A name for messages: base::shown().
std::string shown(const std::filesystem::path& path);

}  // namespace variform::data
