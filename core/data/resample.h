#pragma once
// Resizes images.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace variform::data {

/// A square of side · side pixels inside an image in memory, with `channels` interleaved bytes per pixel.
struct Square {
  const std::uint8_t* pixels = nullptr;
  std::int64_t side = 0;
  std::size_t row_bytes = 0;  ///< from one row to the next
};

/// Returns the square as side · side interleaved pixels. Separable triangle filter of the stored values (no gamma), as
/// wide as a pixel of the coarser grid on each side: bilinear interpolation where the square grows, averages where it
/// shrinks, without aliasing. The same side gives the same bytes. Throws std::bad_alloc.
std::vector<std::uint8_t> resample(const Square& square, std::int64_t side, std::int64_t channels);

}  // namespace variform::data
