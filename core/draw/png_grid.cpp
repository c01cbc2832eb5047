// See png_grid.h. libpng's simplified interface reports errors by return codes: no longjmp past destructors.

#include "draw/png_grid.h"

#include <png.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "base/contents.h"
#include "base/file.h"

namespace variform::draw {
namespace fs = std::filesystem;
namespace {

constexpr std::uint8_t kGapValue = 232;  // light grey: visible beside black and white
constexpr int kLargestSide = 1 << 16;
constexpr std::uint64_t kMostPixels = 100'000'000;

std::string sides(const Image& image) {
  return fmt::format("{}×{}×{}", image.width, image.height, image.channels);
}

std::size_t value_count(const Image& image) {
  return static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) *
         static_cast<std::size_t>(image.channels);
}

void check(const Image& image) {
  if (image.channels != 1 && image.channels != 3)
    throw base::Error(fmt::format("an image needs 1 or 3 channels, found {}.", image.channels));
  if (image.width < 1 || image.height < 1 || image.width > kLargestSide || image.height > kLargestSide)
    throw base::Error(
        fmt::format("the sides of an image go from 1 to {}, found {}.", kLargestSide, sides(image)));
  if (image.pixels.size() != value_count(image))
    throw base::Error(fmt::format("an image of {} needs {} values, found {}.", sides(image),
                                  value_count(image), image.pixels.size()));
}

// Composes in memory first: then a full disk can spoil only one plain write.
std::vector<std::uint8_t> compose(const Image& image) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::vector<std::uint8_t> bytes(size);
  if (!png_image_write_to_memory(&header, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr))
    throw base::Error("libpng could not compress an image of " + sides(image) + ": " + header.message + ".");
  bytes.resize(size);
  return bytes;
}

// Returns the signature and the start of the first chunk: length and name, width, height, depth and colour type.
std::string header_of_png(const fs::path& path) {
  constexpr std::string_view kBegin("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16);
  constexpr std::size_t kSize = 26;
  std::string header;
  try {
    header = base::beginning_of(path, kSize);
  } catch (const std::runtime_error& error) {
    throw base::Error("the picture could not be read: " + std::string(error.what()));
  }
  if (header.size() < kSize || !header.starts_with(kBegin))
    throw base::Error("the picture " + path.string() + " could not be read: it is not a PNG.");
  return header;
}

[[noreturn]] void fail(const fs::path& path, int problem) {
  throw base::Error("the picture " + path.string() + " could not be written: " + std::strerror(problem) +
                    ".");
}

}  // namespace

void write_png(const fs::path& path, const Image& image) {
  check(image);
  std::error_code problem;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), problem);
  if (problem) fail(path, problem.value());
  const std::vector<std::uint8_t> bytes = compose(image);
  if (const int reason = base::try_write_file(path, std::as_bytes(std::span(bytes)))) fail(path, reason);
}

std::pair<int, int> sides_of_png(const fs::path& path) {
  const std::string header = header_of_png(path);
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (; bytes > 0; --bytes) value = value << 8 | static_cast<unsigned char>(header[at++]);
    return value;
  };
  const std::uint64_t width = number(16, 4), height = number(20, 4), depth = number(24, 1),
                      colour = number(25, 1);
  if (depth != 8 || (colour != PNG_COLOR_TYPE_GRAY && colour != PNG_COLOR_TYPE_RGB))
    throw base::Error("the picture " + path.string() + " is not a grey or colour PNG of 8 bits per channel.");
  if (width < 1 || height < 1 || width > kLargestSide || height > kLargestSide ||
      width * height > kMostPixels)
    throw base::Error(fmt::format("the picture {} is too large: expected {} pixels at most, found {}×{}.",
                                  path.string(), kMostPixels, width, height));
  return {static_cast<int>(width), static_cast<int>(height)};
}

Image read_png(const fs::path& path) {
  sides_of_png(path);  // before libpng opens it: it would wait for a FIFO
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_file(&header, path.c_str()))
    throw base::Error("the picture " + path.string() + " could not be read: " + header.message + ".");
  Image image;
  image.width = static_cast<int>(header.width);
  image.height = static_cast<int>(header.height);
  const bool plain = header.format == PNG_FORMAT_GRAY || header.format == PNG_FORMAT_RGB;
  if (!plain || image.width > kLargestSide || image.height > kLargestSide) {
    png_image_free(&header);
    throw base::Error("the picture " + path.string() + " is not a grey or colour PNG of 8 bits per channel.");
  }
  image.channels = header.format == PNG_FORMAT_GRAY ? 1 : 3;
  image.pixels.resize(value_count(image));
  if (!png_image_finish_read(&header, nullptr, image.pixels.data(), 0, nullptr))
    throw base::Error("the picture " + path.string() + " could not be read: " + header.message + ".");
  return image;
}

int enlargement(int width, int height) { return std::max(1, 64 / std::max({width, height, 1})); }

Image grid(std::span<const Image> images, int columns, int gap, int scale) {
  if (images.empty() || columns < 1 || gap < 0 || scale < 1)
    throw base::Error(
        "a grid needs at least one image, one column, a gap of 0 or more and a scale of 1 or more.");
  const Image& first = images.front();
  for (const Image& image : images) {
    check(image);
    if (image.width != first.width || image.height != first.height || image.channels != first.channels)
      throw base::Error("all images of a grid have one size; found " + sides(first) + " and " + sides(image) +
                        ".");
  }
  const int count = static_cast<int>(images.size());
  columns = std::min(columns, count);
  const int rows = (count + columns - 1) / columns;
  const int cell_width = first.width * scale + gap, cell_height = first.height * scale + gap;
  Image all{columns * cell_width + gap, rows * cell_height + gap, first.channels, {}};
  all.pixels.assign(value_count(all), kGapValue);

  const auto channels = static_cast<std::size_t>(first.channels);
  for (int i = 0; i < count; ++i) {
    const Image& image = images[static_cast<std::size_t>(i)];
    const int left = gap + i % columns * cell_width, top = gap + i / columns * cell_height;
    for (int y = 0; y < image.height * scale; ++y)
      for (int x = 0; x < image.width * scale; ++x) {
        const std::size_t from = static_cast<std::size_t>(y / scale * image.width + x / scale) * channels;
        const std::size_t to = (static_cast<std::size_t>(top + y) * static_cast<std::size_t>(all.width) +
                                static_cast<std::size_t>(left + x)) *
                               channels;
        std::copy_n(image.pixels.begin() + static_cast<std::ptrdiff_t>(from), channels,
                    all.pixels.begin() + static_cast<std::ptrdiff_t>(to));
      }
  }
  return all;
}

}  // namespace variform::draw
