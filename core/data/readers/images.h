#pragma once
// Images: one, or a folder of them, in the formats of image_codecs.h. What is transparent is laid over a grey, white by
// default; images of more than 8 bits per value are refused; gamma and the orientation that a camera may have noted are
// left alone.

#include <filesystem>
#include <string>
#include <vector>

#include "data/listing.h"
#include "data/readers/array.h"
#include "data/readers/image_codecs.h"

namespace variform::data {

/// Reads one image after another, each file once; what it is is told by its first bytes, whatever its name says.
class ImageReader {
 public:
  explicit ImageReader(const Bounds& bounds = {}) : bounds_(bounds) {}
  /// Throws ReadError for a file that is no image that can be read here, or claims more pixels than it can hold.
  const ImageSize& open(const std::filesystem::path& path);
  /// Decodes the image that was opened into `out`, [height, width, 3 or 1]. Throws ReadError for a damaged one.
  void decode(const PixelLayout& layout, std::uint8_t* out);

 private:
  [[noreturn]] void refuse(const std::string& reason) const;
  std::filesystem::path path_;
  std::vector<std::uint8_t> bytes_;
  const ImageCodec* codec_ = nullptr;
  ImageSize size_;
  Bounds bounds_;
};

struct ImageFolder {
  Array x;                           ///< uint8 [N, 1 or 3, height, width]
  Array labels;                      ///< int64 [N]: the sub-folder's number; empty without sub-folders
  std::vector<std::string> classes;  ///< the sub-folders' names in sorted order, numbered from 0
  std::int64_t transparent = 0;      ///< images of which something is
  std::vector<std::string> account;  ///< see ImageListing
};

/// Reads the images that list_images() finds. All must have one size. One colour image makes all three channels. Throws
/// ReadError otherwise.
ImageFolder read_images(const std::filesystem::path& folder, std::uint8_t background = 255,
                        const Bounds& bounds = {});
/// The same for images that were listed already, all of them or some.
ImageFolder read_images(const std::filesystem::path& folder, ImageListing listing, std::uint8_t background,
                        const Bounds& bounds = {});

}  // namespace variform::data
