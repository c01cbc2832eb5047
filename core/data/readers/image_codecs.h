#pragma once
// Image formats, each a codec that works on a file's bytes in memory. images.cpp chooses among them by the first bytes.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace variform::data {

struct ImageSize {
  std::int64_t width = 0, height = 0;
  bool is_colour = false, is_transparent = false;
  int bits = 8;  ///< per value
  bool operator==(const ImageSize&) const = default;
};

/// Images with more pixels are refused before anything is allocated for them.
inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 27;

using ImageBytes = std::span<const std::uint8_t>;

/// The form in which pixels are wanted.
struct PixelLayout {
  bool as_colour = false;         ///< three values per pixel instead of one; a colour image needs it
  std::uint8_t background = 255;  ///< the grey behind transparent pixels
};

/// Functions return what is wrong, or empty text. None trusts the bytes.
struct ImageCodec {
  const char* name;
  bool (*matches)(ImageBytes bytes);
  /// Reads the header.
  std::string (*measure)(ImageBytes bytes, ImageSize& size);
  /// Decodes into `out`, [height, width, 3 or 1], for the size that measure() gave.
  std::string (*decode)(ImageBytes bytes, const ImageSize& size, const PixelLayout& layout,
                        std::uint8_t* out);
};

const ImageCodec& png_codec();
const ImageCodec& jpeg_codec();
const ImageCodec& gif_codec();  ///< of a single picture
const ImageCodec& bmp_codec();
const ImageCodec& webp_codec();  ///< of a single picture
const ImageCodec& tiff_codec();  ///< of a single page

/// Converts red, green, blue and opacity bytes to the layout; `is_premultiplied`: colours are scaled by opacity.
void lay_out(ImageBytes rgba, const PixelLayout& layout, bool is_premultiplied, std::uint8_t* out);

}  // namespace variform::data
