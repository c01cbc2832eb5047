#pragma once
// Which images a folder holds: one way of looking for everything that reads or imports a folder, and an account of what was
// taken and what was left out.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace variform::data {

/// What sub-folders mean.
enum class Classes {
  kIfAny,     ///< classes, where more images lie in sub-folders than beside them
  kNone,      ///< nothing: every image is taken, wherever it lies
  kRequired,  ///< classes; images beside them are left out
};

struct ImageListing {
  std::vector<std::filesystem::path>
      images;                        ///< below the folder, sorted by their paths part by part, byte by byte
  std::vector<std::int64_t> labels;  ///< of every image: its class; empty without classes
  std::vector<std::string> classes;  ///< the first parts of the images' paths, sorted
  std::vector<std::string> account;  ///< sentences: what was taken, and what was left out and why
};

/// Looks through the folder and everything below it. Images are known by their names' endings, in any case; what they are
/// is told by their bytes, when they are read. Links are followed, a loop of them ends. Left out, and said so: hidden
/// entries, what operating systems and synchronisers leave behind, links to nothing, other files. Throws ReadError for a
/// folder that is not there or holds no image, and for a class whose name is no UTF-8.
ImageListing list_images(const std::filesystem::path& folder, Classes classes);

/// By the name's ending: .png, .jpg, .jpeg, .jpe, .jfif, .gif, .webp, .tif, .tiff or .bmp, in any case.
bool is_image(const std::filesystem::path& path);

/// A name for messages: base::shown().
std::string shown(const std::filesystem::path& path);

}  // namespace variform::data
