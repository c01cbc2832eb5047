#pragma once
// PNG and JPEG images: one, or a folder of them. What is transparent is laid over a grey, white by default; images of 16
// bits per value are refused; gamma and the orientation that a camera may have noted are left alone.

#include <filesystem>
#include <string>
#include <vector>

#include "data/readers/array.h"

namespace variform::data {

struct ImageSize {
  std::int64_t width = 0, height = 0;
  bool is_colour = false, is_transparent = false;
  int bits = 8;  ///< per value
  bool operator==(const ImageSize&) const = default;
};

/// By the name: .png, .jpg or .jpeg, in any case.
bool is_image(const std::filesystem::path& path);

/// Reads the header only. Throws ReadError for a file that is no image, or claims more pixels than it can
/// hold.
ImageSize read_image_size(const std::filesystem::path& path);

/// Decodes an image of that size into `interleaved`, [height, width, 3 or 1]; a grey image becomes colour if
/// it is to, a colour image has to. Throws ReadError for a damaged file.
void read_image(const std::filesystem::path& path, const ImageSize& expected, bool as_colour,
                std::vector<std::uint8_t>& interleaved, std::uint8_t background = 255);

struct ImageFolder {
  Array x;                           ///< uint8 [N, 1 or 3, height, width]
  Array labels;                      ///< int64 [N]: the sub-folder's number; empty without sub-folders
  std::vector<std::string> classes;  ///< the sub-folders' names in sorted order, numbered from 0
  std::int64_t transparent = 0;      ///< images of which something is
};

/// Reads every .png, .jpg and .jpeg in the folder in the order of their names or, if it holds none, in its
/// sub-folders, whose place in the order of names is the label. All must have one size. One colour image
/// makes all three channels. Throws ReadError otherwise.
ImageFolder read_images(const std::filesystem::path& folder, std::uint8_t background = 255);

}  // namespace variform::data
