// Images as people have them: transparent ones, and values of more than 8 bits.

#include <png.h>

#include <ATen/ATen.h>

#include "catch.h"
#include "config/load.h"
#include "data/dataset.h"
#include "data/support.h"

namespace variform::data {
namespace {

using testing::TemporaryFolder;
using variform::testing::ContainsSubstring;
namespace fs = std::filesystem;

void write_with(const fs::path& path, png_uint_32 format, png_uint_32 side, const void* pixels) {
  fs::create_directories(path.parent_path());
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = side;
  image.format = format;
  REQUIRE(png_image_write_to_file(&image, path.c_str(), 0, pixels, 0, nullptr) != 0);
}

Splits load_folder(const TemporaryFolder& folder, const std::string& more = "") {
  config::Diagnostics diagnostics;
  config::DataSpec spec;
  spec.dataset = config::parse("x = \"glyphs\"\n" + more, "d.toml", diagnostics);
  diagnostics.throw_if_any();
  return load(spec, {folder.path()}, {}, 1, at::kCPU, at::kFloat);
}

TEST_CASE("I1: what is transparent is laid over a background, which is said once") {
  const TemporaryFolder folder;
  // Black glyphs on transparent black: the pixel n of image n is opaque, another half so.
  for (int n = 0; n < 4; ++n) {
    std::vector<std::uint8_t> rgba(4 * 4, 0);
    rgba[static_cast<std::size_t>(4 * n + 3)] = 255;
    rgba[static_cast<std::size_t>(4 * ((n + 1) % 4) + 3)] = 128;
    write_with(folder / ("glyphs/" + std::to_string(n) + ".png"), PNG_FORMAT_RGBA, 2, rgba.data());
  }
  const Splits white = load_folder(folder);
  const at::Tensor x = white.train.gather(at::arange(4)).select(1, 0).flatten(1);
  for (std::int64_t n = 0; n < 4; ++n)
    for (std::int64_t pixel = 0; pixel < 4; ++pixel) {
      const double value = x[n][pixel].item<double>();
      if (pixel == n) CHECK(value == 0);
      else if (pixel == (n + 1) % 4) CHECK(std::abs(value - 127.0 / 255) < 1.5 / 255);
      else CHECK(value == 1);
    }
  REQUIRE(white.notes.size() == 3);  // and what was taken, and one split for both
  CHECK_THAT(white.notes[0],
             ContainsSubstring("4 of 4 images are transparent in places and were laid over white; background "
                               "= \"black\" in the description uses the other."));
  CHECK(
      load_folder(folder, "background = \"black\"").train.gather(at::arange(4)).abs().max().item<double>() ==
      0);
}

TEST_CASE("I1: grey images with transparency, and opaque ones without a note") {
  const TemporaryFolder folder;
  const std::vector<std::uint8_t> pixels{10, 255, 0, 0, 200, 0, 30, 255};  // grey and alpha
  write_with(folder / "glyphs/a.png", PNG_FORMAT_GA, 2, pixels.data());
  const at::Tensor x = load_folder(folder).train.gather(at::arange(1)).flatten() * 255;
  CHECK(at::allclose(x, at::tensor({10.f, 255.f, 255.f, 30.f}), 0, 1e-3));
  const TemporaryFolder plain;
  write_with(plain / "glyphs/a.png", PNG_FORMAT_GRAY, 2, std::vector<std::uint8_t>{1, 2, 3, 4}.data());
  CHECK(load_folder(plain).notes.size() == 2);  // what was taken, and one split for both
}

TEST_CASE("I5: values of 16 bits are refused rather than cut, with the line that converts them") {
  const TemporaryFolder folder;
  write_with(folder / "glyphs/deep.png", PNG_FORMAT_LINEAR_Y, 2,
             std::vector<std::uint16_t>{0, 1000, 2000, 4095}.data());
  try {
    load_folder(folder);
    FAIL("expected an error, found none");
  } catch (const std::exception& error) {
    CHECK_THAT(error.what(),
               ContainsSubstring("deep.png: it has 16 bits per value, of which 8 are kept here"));
    CHECK_THAT(error.what(), ContainsSubstring("PIL.Image.open(\"deep.png\")"));
  }
}

}  // namespace
}  // namespace variform::data
