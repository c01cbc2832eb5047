// GIF and BMP by stb_image, WebP by libwebp, TIFF by libtiff: they decode to four bytes per pixel.

#include <tiffio.h>
#include <webp/decode.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "data/readers/array.h"
#include "data/readers/image_codecs.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image.h>
#pragma GCC diagnostic pop

namespace variform::data {
namespace {

bool begins_with(ImageBytes bytes, std::string_view mark) {
  return bytes.size() >= mark.size() && std::memcmp(bytes.data(), mark.data(), mark.size()) == 0;
}

// ---- GIF and BMP

struct FreeStb {
  void operator()(stbi_uc* pixels) const { stbi_image_free(pixels); }
};
using StbPixels = std::unique_ptr<stbi_uc, FreeStb>;

StbPixels stb_pixels(ImageBytes bytes, int& width, int& height) {
  int channels = 0;
  return StbPixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels, 4));
}

/// A palette does not tell colour from grey: an image is grey if all its pixels are.
std::string measure_stb(ImageBytes bytes, ImageSize& size) {
  int width = 0, height = 0, channels = 0;
  if (stbi_info_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels) == 0)
    return stbi_failure_reason();
  size.width = width;
  size.height = height;
  size.is_colour = true;
  if (width <= 0 || height <= 0 || size.width * size.height > kMostPixels) return "";
  // Images that will be refused for their size are not decoded to see whether they are grey.
  const auto decoded = static_cast<std::uint64_t>(4 * size.width * size.height);
  if (decoded > kSmall && decoded / kMostRatio > bytes.size()) return "";
  const StbPixels pixels = stb_pixels(bytes, width, height);
  if (!pixels) return stbi_failure_reason();
  size.is_colour = false;
  for (std::int64_t p = 0; p < size.width * size.height; ++p) {
    const stbi_uc* at = pixels.get() + 4 * p;
    size.is_colour = size.is_colour || (at[3] > 0 && (at[0] != at[1] || at[1] != at[2]));
    size.is_transparent = size.is_transparent || at[3] < 255;
  }
  return "";
}

std::string decode_stb(ImageBytes bytes, const ImageSize& size, const PixelLayout& layout,
                       std::uint8_t* out) {
  int width = 0, height = 0;
  const StbPixels pixels = stb_pixels(bytes, width, height);
  if (!pixels) return stbi_failure_reason();
  lay_out({pixels.get(), static_cast<std::size_t>(4 * size.width * size.height)}, layout, false, out);
  return "";
}

/// Goes from block to block; `at` is where one begins. The end of its pieces, each of which says how long it is.
std::size_t after_pieces(ImageBytes bytes, std::size_t at) {
  while (at < bytes.size() && bytes[at] != 0) at += 1u + bytes[at];
  return at + 1;
}

std::size_t pictures_in_gif(ImageBytes bytes) {
  const auto palette_bytes = [&](std::size_t flags) {
    return flags < bytes.size() && (bytes[flags] & 0x80) != 0 ? std::size_t{3} << ((bytes[flags] & 7) + 1)
                                                              : 0;
  };
  std::size_t pictures = 0, at = 13 + palette_bytes(10);
  while (at < bytes.size()) {
    if (bytes[at] == 0x2c) {
      ++pictures;
      at = after_pieces(bytes, at + 11 + palette_bytes(at + 9));
    } else if (bytes[at] == 0x21) {
      at = after_pieces(bytes, at + 2);
    } else {
      break;
    }
  }
  return pictures;
}

std::string measure_gif(ImageBytes bytes, ImageSize& size) {
  const std::size_t pictures = pictures_in_gif(bytes);
  if (pictures > 1)
    return fmt::format(
        "it is an animation of {} pictures, of which one is expected; in Python: import PIL.Image, "
        "PIL.ImageSequence; then save each of PIL.ImageSequence.Iterator(PIL.Image.open(…))",
        pictures);
  return measure_stb(bytes, size);
}

// ---- WebP

std::string measure_webp(ImageBytes bytes, ImageSize& size) {
  WebPBitstreamFeatures features{};
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK) return "its header is damaged";
  if (features.has_animation != 0)
    return "it is an animation, of which one picture is expected; in Python: import PIL.Image, "
           "PIL.ImageSequence; then save each of PIL.ImageSequence.Iterator(PIL.Image.open(…))";
  size = {features.width, features.height, true, features.has_alpha != 0, 8};
  return "";
}

std::string decode_webp(ImageBytes bytes, const ImageSize& size, const PixelLayout& layout,
                        std::uint8_t* out) {
  std::vector<std::uint8_t> rgba(static_cast<std::size_t>(4 * size.width * size.height));
  if (WebPDecodeRGBAInto(bytes.data(), bytes.size(), rgba.data(), rgba.size(),
                         static_cast<int>(4 * size.width)) == nullptr)
    return "its pixels are damaged or cut short";
  lay_out(rgba, layout, false, out);
  return "";
}

// ---- TIFF

/// The source that libtiff reads from, and its message.
struct TiffFile {
  ImageBytes bytes;
  std::size_t at = 0;
  std::string message;
};

tmsize_t tiff_read(thandle_t handle, void* to, tmsize_t n) {
  auto* file = static_cast<TiffFile*>(handle);
  const std::size_t left = file->bytes.size() - std::min(file->at, file->bytes.size());
  const std::size_t count = std::min(left, static_cast<std::size_t>(std::max<tmsize_t>(n, 0)));
  if (count > 0) std::memcpy(to, file->bytes.data() + file->at, count);
  file->at += count;
  return static_cast<tmsize_t>(count);
}

toff_t tiff_seek(thandle_t handle, toff_t offset, int whence) {
  auto* file = static_cast<TiffFile*>(handle);
  const toff_t base = whence == SEEK_CUR ? file->at : whence == SEEK_END ? file->bytes.size() : 0;
  file->at = static_cast<std::size_t>(base + offset);
  return file->at;
}

int tiff_keep_message(TIFF*, void* file, const char*, const char* format, va_list values) {
  char text[200];
  std::vsnprintf(text, sizeof(text), format, values);
  static_cast<TiffFile*>(file)->message = text;
  return 1;
}
int tiff_ignore(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, CloseTiff>;

Tiff open_tiff(TiffFile& file) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), tmsize_t{1} << 28);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), tiff_keep_message, &file);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), tiff_ignore, nullptr);
  return Tiff(TIFFClientOpenExt(
      "image", "rm", &file, tiff_read, [](thandle_t, void*, tmsize_t) { return tmsize_t{0}; }, tiff_seek,
      [](thandle_t) { return 0; },
      [](thandle_t handle) -> toff_t { return static_cast<TiffFile*>(handle)->bytes.size(); },
      [](thandle_t, void**, toff_t*) { return 0; }, [](thandle_t, void*, toff_t) {}, options.get()));
}

std::string measure_tiff(ImageBytes bytes, ImageSize& size) {
  TiffFile file{bytes, 0, {}};
  const Tiff tiff = open_tiff(file);
  if (!tiff) return file.message;
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, samples = 1, photometric = 0, extras = 0, *kinds = nullptr;
  TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_SAMPLESPERPIXEL, &samples);
  TIFFGetField(tiff.get(), TIFFTAG_PHOTOMETRIC, &photometric);
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_EXTRASAMPLES, &extras, &kinds);
  const bool is_grey = photometric == PHOTOMETRIC_MINISWHITE || photometric == PHOTOMETRIC_MINISBLACK;
  size = {width, height, !is_grey, extras > 0, std::max<int>(8, bits)};
  if (bits > 8) return "";  // refused later for its bits
  if (TIFFNumberOfDirectories(tiff.get()) > 1)
    return fmt::format(
        "it has {} pages, of which one is expected; in Python: import PIL.Image, PIL.ImageSequence; then "
        "save each of PIL.ImageSequence.Iterator(PIL.Image.open(…))",
        TIFFNumberOfDirectories(tiff.get()));
  char reason[1024] = "";
  return TIFFRGBAImageOK(tiff.get(), reason) != 0 ? "" : reason;
}

std::string decode_tiff(ImageBytes bytes, const ImageSize& size, const PixelLayout& layout,
                        std::uint8_t* out) {
  TiffFile file{bytes, 0, {}};
  const Tiff tiff = open_tiff(file);
  if (!tiff) return file.message;
  std::vector<std::uint32_t> raster(static_cast<std::size_t>(size.width * size.height));
  if (TIFFReadRGBAImageOriented(tiff.get(), static_cast<std::uint32_t>(size.width),
                                static_cast<std::uint32_t>(size.height), raster.data(), ORIENTATION_TOPLEFT,
                                1) == 0)
    return file.message.empty() ? "its pixels are damaged" : file.message;
  std::vector<std::uint8_t> rgba;
  rgba.reserve(raster.size() * 4);
  for (std::uint32_t pixel : raster)
    for (int shift : {0, 8, 16, 24}) rgba.push_back(static_cast<std::uint8_t>(pixel >> shift));
  lay_out(rgba, layout, true, out);
  return "";
}

}  // namespace

void lay_out(ImageBytes rgba, const PixelLayout& layout, bool is_premultiplied, std::uint8_t* out) {
  for (std::size_t at = 0; at + 3 < rgba.size(); at += 4) {
    const unsigned alpha = rgba[at + 3], rest = (255 - alpha) * layout.background;
    for (std::size_t c = 0; c < (layout.as_colour ? 3 : 1); ++c) {
      const unsigned value = rgba[at + c] * (is_premultiplied ? 255 : alpha);
      *out++ = static_cast<std::uint8_t>(std::min(255u, (value + rest + 127) / 255));
    }
  }
}

const ImageCodec& gif_codec() {
  static constexpr ImageCodec codec{
      "GIF", [](ImageBytes bytes) { return begins_with(bytes, "GIF87a") || begins_with(bytes, "GIF89a"); },
      measure_gif, decode_stb};
  return codec;
}

const ImageCodec& bmp_codec() {
  static constexpr ImageCodec codec{"BMP", [](ImageBytes bytes) { return begins_with(bytes, "BM"); },
                                    measure_stb, decode_stb};
  return codec;
}

const ImageCodec& webp_codec() {
  static constexpr ImageCodec codec{"WebP",
                                    [](ImageBytes bytes) {
                                      return bytes.size() >= 12 && begins_with(bytes, "RIFF") &&
                                             begins_with(bytes.subspan(8), "WEBP");
                                    },
                                    measure_webp, decode_webp};
  return codec;
}

const ImageCodec& tiff_codec() {
  static constexpr ImageCodec codec{"TIFF",
                                    [](ImageBytes bytes) {
                                      return begins_with(bytes, std::string_view("II*\0", 4)) ||
                                             begins_with(bytes, std::string_view("MM\0*", 4)) ||
                                             begins_with(bytes, std::string_view("II+\0", 4)) ||
                                             begins_with(bytes, std::string_view("MM\0+", 4));
                                    },
                                    measure_tiff, decode_tiff};
  return codec;
}

}  // namespace variform::data
