// See resample.h.

#include "data/resample.h"

#include <cstring>
#include <new>

#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#include <stb_image_resize.h>

namespace variform::data {

std::vector<std::uint8_t> resample(const Square& square, std::int64_t side, std::int64_t channels) {
  const std::size_t row_bytes = static_cast<std::size_t>(side * channels);
  std::vector<std::uint8_t> result(row_bytes * static_cast<std::size_t>(side));
  if (side == square.side) {
    for (std::size_t y = 0; y < static_cast<std::size_t>(side); ++y)
      std::memcpy(result.data() + y * row_bytes, square.pixels + y * square.row_bytes, row_bytes);
    return result;
  }
  const int from = static_cast<int>(square.side), to = static_cast<int>(side);
  if (stbir_resize_uint8_generic(square.pixels, from, from, static_cast<int>(square.row_bytes), result.data(),
                                 to, to, static_cast<int>(row_bytes), static_cast<int>(channels),
                                 STBIR_ALPHA_CHANNEL_NONE, 0, STBIR_EDGE_CLAMP, STBIR_FILTER_TRIANGLE,
                                 STBIR_COLORSPACE_LINEAR, nullptr) == 0)
    throw std::bad_alloc();
  return result;
}

}  // namespace variform::data
