// JPEG by libjpeg, which reports errors by jumping (see png_codec.cpp). Inks (CMYK) become colours as in Pillow.

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>

#include <jerror.h>

#include "data/readers/image_codecs.h"

namespace variform::data {
namespace {

struct JpegError {
  jpeg_error_mgr manager;  // first: libjpeg knows only this part
  std::jmp_buf jump;
  std::array<char, 256> message;
};

void jpeg_fail(j_common_ptr info) {
  auto* error = reinterpret_cast<JpegError*>(info->err);
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  std::snprintf(error->message.data(), error->message.size(), "%.200s", text);
  std::longjmp(error->jump, 1);
}

/// Most warnings mean damaged data (such as an early end), which libjpeg would fill with grey. Some concern oddities
/// that change no pixel, and that every viewer ignores.
void jpeg_warn(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  const bool is_harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
                           code == JWRN_JFIF_MAJOR || code == JWRN_TOO_MUCH_DATA;
  if (level < 0 && !is_harmless) jpeg_fail(info);
}

/// A progressive image may have any number of scans, each of which covers all pixels.
void jpeg_watch(j_common_ptr info) {
  constexpr int kMostScans = 200;  // encoders write about ten
  const auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
  auto* error = reinterpret_cast<JpegError*>(info->err);
  if (decompress->input_scan_number <= kMostScans) return;
  std::snprintf(error->message.data(), error->message.size(), "more than %d scans", kMostScans);
  std::longjmp(error->jump, 1);
}

struct JpegReader {
  jpeg_decompress_struct info{};
  JpegError error{};
  jpeg_progress_mgr progress{};
  JpegReader() {
    progress.progress_monitor = jpeg_watch;
    info.err = jpeg_std_error(&error.manager);
    error.manager.error_exit = jpeg_fail;
    error.manager.emit_message = jpeg_warn;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
};

bool jpeg_header(JpegReader& reader, ImageBytes bytes, ImageSize& size) {
  if (setjmp(reader.error.jump) != 0) return false;
  jpeg_create_decompress(&reader.info);
  reader.info.progress = &reader.progress;
  jpeg_mem_src(&reader.info, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&reader.info, TRUE);
  size.width = reader.info.image_width;
  size.height = reader.info.image_height;
  size.is_colour = reader.info.num_components != 1;
  size.bits = reader.info.data_precision;
  return true;
}

std::uint8_t product(int a, int b) { return static_cast<std::uint8_t>((a * b + 127) / 255); }

/// Converts four inks to a colour. Adobe's programs store how little ink there is, others how much.
void colours_of_inks(const JSAMPLE* inks, std::size_t pixels, bool is_inverted, std::uint8_t* out) {
  for (std::size_t p = 0; p < pixels; ++p, inks += 4) {
    const int black = is_inverted ? inks[3] : 255 - inks[3];
    for (int c = 0; c < 3; ++c) *out++ = product(is_inverted ? inks[c] : 255 - inks[c], black);
  }
}

/// `inks` has room for a row with four values per pixel.
bool jpeg_pixels(JpegReader& reader, bool as_colour, JSAMPROW inks, std::uint8_t* out) {
  if (setjmp(reader.error.jump) != 0) return false;
  const bool has_inks = reader.info.num_components == 4;
  reader.info.out_color_space = has_inks ? JCS_CMYK : as_colour ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_start_decompress(&reader.info);
  const std::size_t width = reader.info.output_width, row_bytes = width * (as_colour ? 3 : 1);
  while (reader.info.output_scanline < reader.info.output_height) {
    JSAMPROW row = has_inks ? inks : out + reader.info.output_scanline * row_bytes;
    std::uint8_t* const to = out + reader.info.output_scanline * row_bytes;
    jpeg_read_scanlines(&reader.info, &row, 1);
    if (has_inks) colours_of_inks(inks, width, reader.info.saw_Adobe_marker != 0, to);
  }
  jpeg_finish_decompress(&reader.info);
  return true;
}

std::string measure_jpeg(ImageBytes bytes, ImageSize& size) {
  JpegReader reader;
  return jpeg_header(reader, bytes, size) ? "" : reader.error.message.data();
}

std::string decode_jpeg(ImageBytes bytes, const ImageSize& size, const PixelLayout& layout,
                        std::uint8_t* out) {
  JpegReader reader;
  ImageSize found;
  std::vector<JSAMPLE> inks(static_cast<std::size_t>(size.width) * 4);
  if (jpeg_header(reader, bytes, found) && jpeg_pixels(reader, layout.as_colour, inks.data(), out)) return "";
  return reader.error.message.data();
}

}  // namespace

const ImageCodec& jpeg_codec() {
  static constexpr ImageCodec codec{
      "JPEG",
      [](ImageBytes bytes) { return bytes.size() >= 2 && std::memcmp(bytes.data(), "\xff\xd8", 2) == 0; },
      measure_jpeg, decode_jpeg};
  return codec;
}

}  // namespace variform::data
