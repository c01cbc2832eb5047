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

/// An image of more pixels than this is refused before anything is allocated for it.
inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 27;

using ImageBytes = std::span<const std::uint8_t>;

/// How pixels are wanted.
struct PixelLayout {
  bool as_colour = false;         ///< three values a pixel instead of one; a colour image needs it
  std::uint8_t background = 255;  ///< the grey under what is transparent
};

/// Functions return what is wrong, or an empty text. None trusts the bytes.
struct ImageCodec {
  const char* name;
  bool (*matches)(ImageBytes bytes);
  /// Reads what the header says.
  std::string (*measure)(ImageBytes bytes, ImageSize& size);
  /// Decodes into `out`, [height, width, 3 or 1], for the size that measure() gave.
  std::string (*decode)(ImageBytes bytes, const ImageSize& size, const PixelLayout& layout,
                        std::uint8_t* out);
};

const ImageCodec& png_codec();
const ImageCodec& jpeg_codec();
const ImageCodec& gif_codec();  ///< of one picture
const ImageCodec& bmp_codec();
const ImageCodec& webp_codec();  ///< of one picture
const ImageCodec& tiff_codec();  ///< of one page

/// Four bytes a pixel, red, green, blue and opacity, into the layout; `is_premultiplied`: colours are scaled by opacity.
void lay_out(ImageBytes rgba, const PixelLayout& layout, bool is_premultiplied, std::uint8_t* out);

}  // namespace variform::data
