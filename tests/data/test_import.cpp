// What tests/cli/test_data_import.py, which has no libjpeg, leaves open: photographs, and the resizing by
// itself.

#include <cmath>

#include "data/import.h"
#include "data/readers/hdf5.h"
#include "data/readers/images.h"
#include "data/resample.h"
#include "support.h"

namespace {

using namespace variform::data;
using namespace variform::data::testing;
using variform::testing::ContainsSubstring;

Bytes resampled(const Bytes& pixels, std::int64_t from, std::int64_t to, std::int64_t channels) {
  return resample({pixels.data(), from, static_cast<std::size_t>(from * channels)}, to, channels);
}

TEST_CASE("resizing keeps constants and straight lines, and each channel to itself") {
  for (std::int64_t to : {3, 8, 20, 33}) {
    const Bytes constant = resampled(Bytes(20 * 20, 93), 20, to, 1);
    CHECK(constant == Bytes(static_cast<std::size_t>(to * to), 93));
  }
  Bytes pixels;  // a line along x, one along y, and a constant
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x)
      for (int value : {4 * x + 10, 7 * y + 20, 200}) pixels.push_back(static_cast<std::uint8_t>(value));
  for (std::int64_t to : {8, 12, 64}) {
    const Bytes result = resampled(pixels, 32, to, 3);
    const double scale = 32.0 / static_cast<double>(to);
    for (std::int64_t y = 2; y < to - 2; ++y)
      for (std::int64_t x = 2; x < to - 2; ++x) {
        const std::uint8_t* pixel = result.data() + (y * to + x) * 3;
        const double px = (static_cast<double>(x) + 0.5) * scale - 0.5,
                     py = (static_cast<double>(y) + 0.5) * scale - 0.5;
        CHECK(std::abs(pixel[0] - (4 * px + 10)) <= 0.501);
        CHECK(std::abs(pixel[1] - (7 * py + 20)) <= 0.501);
        CHECK(pixel[2] == 200);
      }
  }
}

TEST_CASE("a square inside an image is taken with its rows' distance") {
  const Bytes pixels = ramp(6 * 5);  // five rows of six
  CHECK(resample({pixels.data() + 6 + 2, 3, 6}, 3, 1) == Bytes{8, 9, 10, 14, 15, 16, 20, 21, 22});
}

TEST_CASE("JPEG photographs are imported as they are read") {
  const TemporaryFolder folder;
  for (int i = 0; i < 4; ++i) {
    Bytes pixels(24 * 16 * 3);
    for (std::size_t p = 0; p < pixels.size(); ++p)
      pixels[p] = static_cast<std::uint8_t>(120 + 60 * std::sin(0.01 * static_cast<double>(p * (i + 1u))));
    write_jpeg(folder / ("photographs/" + std::to_string(i) + ".JPG"), 24, 16, 3, pixels);
  }
  ImportOptions options;
  options.folder = folder / "photographs";
  options.file = folder / "made.h5";
  options.size = 12;
  options.crop = 12;
  options.test = 0.5;
  std::int64_t asked = 0;
  const auto made = import_images(options, [&](std::int64_t done, std::int64_t all) {
    CHECK(done == ++asked);
    CHECK(all == 4);
    return true;
  });
  REQUIRE(made);
  CHECK(made->train == 2);
  CHECK(made->test == 2);
  const Array whole = read_images(folder / "photographs").x, cut = read_hdf5(made->file, "/test/x");
  REQUIRE(cut.shape == std::vector<std::int64_t>{2, 3, 12, 12});
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t y = 0; y < 12; ++y)
        for (std::size_t x = 0; x < 12; ++x)
          REQUIRE(cut.bytes[((i * 3 + c) * 12 + y) * 12 + x] ==
                  whole.bytes[(((i + 2) * 3 + c) * 16 + y + 2) * 24 + x + 6]);
}

TEST_CASE("an import that is told to stop leaves nothing") {
  const TemporaryFolder folder;
  for (int i = 0; i < 5; ++i) write_png(folder / ("images/" + std::to_string(i) + ".png"), 8, 8, 1, ramp(64));
  ImportOptions options;
  options.folder = folder / "images";
  options.file = folder / "made.h5";
  options.size = 8;
  CHECK_FALSE(import_images(options, [](std::int64_t done, std::int64_t) { return done < 3; }));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

}  // namespace
