// PNG by libpng, which reports errors by jumping: functions with a setjmp hold nothing that would need a destructor
// between setjmp and the jump.

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "data/readers/image_codecs.h"

namespace variform::data {
namespace {

using PngMessage = std::array<char, 256>;

void png_fail(png_structp png, png_const_charp text) {
  auto* message = static_cast<PngMessage*>(png_get_error_ptr(png));
  std::snprintf(message->data(), message->size(), "%s", text);
  png_longjmp(png, 1);
}
void png_ignore(png_structp, png_const_charp) {}

void png_take(png_structp png, png_bytep to, std::size_t n) {
  auto* rest = static_cast<ImageBytes*>(png_get_io_ptr(png));
  if (n > rest->size()) png_error(png, "the file ends too early");
  std::memcpy(to, rest->data(), n);
  *rest = rest->subspan(n);
}

struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  explicit PngReader(PngMessage& message) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &message, png_fail, png_ignore);
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
};

bool png_header(PngReader& reader, ImageBytes* bytes, ImageSize& size) {
  if (reader.info == nullptr || setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_set_read_fn(reader.png, bytes, png_take);
  png_read_info(reader.png, reader.info);
  size.width = png_get_image_width(reader.png, reader.info);
  size.height = png_get_image_height(reader.png, reader.info);
  size.is_colour = (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_COLOR) != 0;
  size.bits = std::max<int>(8, png_get_bit_depth(reader.png, reader.info));
  size.is_transparent = (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_ALPHA) != 0 ||
                        png_get_valid(reader.png, reader.info, PNG_INFO_tRNS) != 0;
  return true;
}

/// After png_header: reads width · (1 or 3) bytes per row into `rows`, with transparent pixels laid over a grey.
bool png_pixels(PngReader& reader, const PixelLayout& layout, png_bytepp rows, std::size_t row_bytes) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  const int type = png_get_color_type(reader.png, reader.info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader.png);
  if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(reader.png, reader.info) < 8)
    png_set_expand_gray_1_2_4_to_8(reader.png);
  if (png_get_valid(reader.png, reader.info, PNG_INFO_tRNS) != 0) png_set_tRNS_to_alpha(reader.png);
  png_color_16 grey{};
  grey.red = grey.green = grey.blue = grey.gray = layout.background;
  if ((type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(reader.png, reader.info, PNG_INFO_tRNS) != 0) {
    png_set_gamma(reader.png, 1.0, 1.0);  // values are mixed as they are stored, as viewers and Pillow do
    png_set_background(reader.png, &grey, PNG_BACKGROUND_GAMMA_SCREEN, /*need_expand=*/0, 1.0);
  }
  if (layout.as_colour && (type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(reader.png);
  png_read_update_info(reader.png, reader.info);
  if (png_get_rowbytes(reader.png, reader.info) != row_bytes) png_error(reader.png, "unexpected row size");
  png_read_image(reader.png, rows);
  png_read_end(reader.png, nullptr);
  return true;
}

std::string measure_png(ImageBytes bytes, ImageSize& size) {
  PngMessage message{};
  PngReader reader(message);
  return png_header(reader, &bytes, size) ? "" : message.data();
}

std::string decode_png(ImageBytes bytes, const ImageSize& size, const PixelLayout& layout,
                       std::uint8_t* out) {
  PngMessage message{};
  PngReader reader(message);
  ImageSize found;
  const std::size_t row_bytes = static_cast<std::size_t>(size.width) * (layout.as_colour ? 3 : 1);
  std::vector<std::uint8_t*> rows;
  for (std::size_t y = 0; y < static_cast<std::size_t>(size.height); ++y) rows.push_back(out + y * row_bytes);
  if (png_header(reader, &bytes, found) && png_pixels(reader, layout, rows.data(), row_bytes)) return "";
  return message.data();
}

}  // namespace

const ImageCodec& png_codec() {
  static constexpr ImageCodec codec{"PNG",
                                    [](ImageBytes bytes) {
                                      return bytes.size() >= 8 &&
                                             std::memcmp(bytes.data(), "\x89PNG\r\n\x1a\n", 8) == 0;
                                    },
                                    measure_png, decode_png};
  return codec;
}

}  // namespace variform::data
