// Pictures read back pixel by pixel, and tables as texts.

#include "report/png_grid.h"
#include "report/table.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "catch.h"

namespace variform::report {
namespace {

using testing::ContainsSubstring;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "variform-report-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Image ramp(int width, int height, int channels, int start) {
  Image image{width, height, channels, {}};
  for (int i = 0; i < width * height * channels; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(start + 3 * i));
  return image;
}

int at(const Image& image, int x, int y, int channel = 0) {
  return image.pixels[static_cast<std::size_t>((y * image.width + x) * image.channels + channel)];
}

TEST_CASE("a written picture reads back with the same pixels") {
  const Folder folder;
  for (int channels : {1, 3}) {
    const Image image = ramp(7, 4, channels, 5);
    const auto path = folder / "new folder" / "a.png";  // the folder is made
    write_png(path, image);
    const Image read = read_png(path);
    CHECK(read.width == 7);
    CHECK(read.height == 4);
    CHECK(read.channels == channels);
    CHECK(read.pixels == image.pixels);
  }
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder / "new folder"))
    ++files;
  CHECK(files == 1);  // no temporary file is left
}

TEST_CASE("a grid places images row by row, enlarged without smoothing, with light gaps") {
  const std::vector<Image> images{ramp(2, 3, 1, 0), ramp(2, 3, 1, 50), ramp(2, 3, 1, 100)};
  const Image all = grid(images, 2, 1, 2);
  REQUIRE(all.width == 2 * (2 * 2 + 1) + 1);
  REQUIRE(all.height == 2 * (3 * 2 + 1) + 1);
  const int gap = at(all, 0, 0);
  CHECK(gap > 200);
  for (int x = 0; x < all.width; ++x) CHECK(at(all, x, 7) == gap);
  for (int y = 0; y < all.height; ++y) CHECK(at(all, 5, y) == gap);
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 4; ++x) {
      CHECK(at(all, 1 + x, 1 + y) == at(images[0], x / 2, y / 2));
      CHECK(at(all, 6 + x, 1 + y) == at(images[1], x / 2, y / 2));
      CHECK(at(all, 1 + x, 8 + y) == at(images[2], x / 2, y / 2));
      CHECK(at(all, 6 + x, 8 + y) == gap);  // left over
    }
  const Image colour = grid(std::vector<Image>{ramp(2, 2, 3, 0)}, 10, 0, 1);  // no wider than its images
  CHECK(colour.pixels == ramp(2, 2, 3, 0).pixels);
}

TEST_CASE("small images are enlarged and large ones are not") {
  CHECK(enlargement(28, 28) == 2);
  CHECK(enlargement(20, 28) == 2);
  CHECK(enlargement(8, 8) == 8);
  CHECK(enlargement(64, 64) == 1);
  CHECK(enlargement(500, 10) == 1);
}

TEST_CASE("pictures that cannot be made or written are refused with the reason") {
  const Folder folder;
  Image image = ramp(2, 2, 1, 0);
  image.pixels.pop_back();
  CHECK_THROWS_WITH(write_png(folder / "a.png", image), ContainsSubstring("2×2×1 needs 4 values, found 3"));
  CHECK_THROWS_WITH(write_png(folder / "a.png", Image{2, 2, 2, {}}),
                    ContainsSubstring("1 or 3 channels, found 2"));
  CHECK_THROWS_WITH(grid(std::vector<Image>{ramp(2, 2, 1, 0), ramp(2, 3, 1, 0)}, 2, 1, 1),
                    ContainsSubstring("found 2×2×1 and 2×3×1"));
  CHECK_THROWS_WITH(grid(std::vector<Image>{}, 2, 1, 1), ContainsSubstring("at least one image"));
  CHECK_THROWS_WITH(write_png("/proc/none/a.png", ramp(2, 2, 1, 0)),
                    ContainsSubstring("the picture /proc/none/a.png could not be written: "));
  std::ofstream(folder / "text.png") << "no picture";
  CHECK_THROWS_WITH(read_png(folder / "text.png"), ContainsSubstring("could not be read"));
  // What was there stays when the new one cannot be put in its place.
  std::filesystem::create_directories(folder / "taken.png");
  CHECK_THROWS_AS(write_png(folder / "taken.png", ramp(2, 2, 1, 0)), Error);
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  CHECK(files == 2);
}

TEST_CASE("a table is aligned by characters, and the same as Markdown") {
  Table table({{"value"}, {"nats", Align::kRight}});
  table.add({"β_eff", "0.5"});
  table.add({"reconstruction", "236.91"});
  table.add({"a|b"});
  CHECK(table.text() ==
        "value             nats\n"
        "──────────────  ──────\n"
        "β_eff              0.5\n"
        "reconstruction  236.91\n"
        "a|b\n");
  CHECK(table.markdown() ==
        "| value          |   nats |\n"
        "| -------------- | -----: |\n"
        "| β_eff          |    0.5 |\n"
        "| reconstruction | 236.91 |\n"
        "| a\\|b           |        |\n");
  CHECK_THROWS_AS(table.add({"1", "2", "3"}), Error);
}

TEST_CASE("a value is shown with the digits that its standard error vouches for") {
  CHECK(with_error(236.914159, 0.3456) == "236.91 ± 0.35");
  CHECK(with_error(-1234.5, 12) == "-1234 ± 12");
  CHECK(with_error(0.5, 0) == "0.5");
  CHECK(with_error(NAN, 1) == "–");
  CHECK(significant(0.000123456, 3) == "0.000123");
}

}  // namespace
}  // namespace variform::report
