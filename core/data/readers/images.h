#pragma once
// Reads images: one, or a folder of them, in the formats of image_codecs.h. Transparent pixels are laid over a grey,
// white by default; images of more than 8 bits per value are refused; gamma and the orientation that a camera may have
// noted are ignored.

#include <filesystem>
#include <string>
#include <vector>

#include "data/listing.h"
#include "data/readers/array.h"
#include "data/readers/image_codecs.h"

namespace variform::data {

/// Reads one image after another, each file once. The first bytes decide the format, whatever the name says.
class ImageReader {
 public:
  explicit ImageReader(const Bounds& bounds = {}) : bounds_(bounds) {}
  /// Throws ReadError for a file that is not a readable image, or claims more pixels than it can hold.
  const ImageSize& open(const std::filesystem::path& path);
  /// Decodes the open image into `out`, [height, width, 3 or 1]. Throws ReadError for a damaged one.
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
  std::int64_t transparent = 0;      ///< images with transparent pixels
  std::vector<std::string> account;  ///< see ImageListing
};

/// Reads the images that list_images() finds. All must have one size. One colour image makes all of them three
/// channels. Throws ReadError otherwise.
ImageFolder read_images(const std::filesystem::path& folder, std::uint8_t background = 255,
                        const Bounds& bounds = {});
/// The same for all or some of the images that were listed already.
ImageFolder read_images(const std::filesystem::path& folder, ImageListing listing, std::uint8_t background,
                        const Bounds& bounds = {});

}  // namespace variform::data
