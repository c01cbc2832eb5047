#pragma once
// Pictures of models: many small images side by side in one PNG file. Knows nothing about tensors.

#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/error.h"

namespace variform::draw {

/// Pixels row by row from the top left, with interleaved channels: grey (1) or red, green, blue (3).
struct Image {
  int width = 0, height = 0, channels = 1;
  std::vector<std::uint8_t> pixels;  ///< width · height · channels
};

/// Writes the file whole or not at all, and creates its folder. Throws Error.
void write_png(const std::filesystem::path& path, const Image& image);

/// Returns the sides of a grey or colour PNG of 8 bits per channel, by its first bytes. Throws Error for anything else,
/// also if not a regular file, and for more than 100 million pixels, which gnuplot would hold in memory.
std::pair<int, int> sides_of_png(const std::filesystem::path& path);

/// Reads such a picture back. Throws Error for anything else.
Image read_png(const std::filesystem::path& path);

/// Returns how often a pixel is repeated so that an image of these sides is large enough to see: 28×28 gives 2, 64×64
/// and above 1.
int enlargement(int width, int height);

/// Places images of one size row by row, each enlarged `scale` times without smoothing, with `gap` light pixels between
/// and around them; unused places are light too. Throws Error when the images differ in size.
Image grid(std::span<const Image> images, int columns, int gap, int scale);

}  // namespace variform::draw
