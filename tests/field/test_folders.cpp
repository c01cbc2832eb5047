// Folders of images as people have them: what is taken, what is left out and named, and formats of every usual kind.

#include <tiffio.h>
#include <webp/encode.h>

#include <array>
#include <functional>

#include <ATen/ATen.h>

#include "catch.h"
#include "config/load.h"
#include "data/dataset.h"
#include "data/import.h"
#include "data/listing.h"
#include "data/readers/images.h"
#include "data/support.h"

namespace variform::data {
namespace field_folders {
namespace {

using testing::Bytes;
using testing::ramp;
using testing::refusal;
using testing::TemporaryFolder;
using testing::write;
using testing::write_jpeg;
using testing::write_png;
using variform::testing::ContainsSubstring;
namespace fs = std::filesystem;
using Labels = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

void grey_png(const fs::path& path, std::uint8_t value = 0) { write_png(path, 2, 2, 1, Bytes(4, value)); }

/// One sentence of the account that contains the text, or a failure.
void check_account(const Texts& account, const std::string& text) {
  for (const std::string& sentence : account)
    if (sentence.find(text) != std::string::npos) return;
  std::string all;
  for (const std::string& sentence : account) all += sentence + "\n";
  FAIL_CHECK("expected \"" << text << "\" in the account:\n" << all);
}

std::size_t imported(const fs::path& folder, bool labels) {
  ImportOptions options;
  options.folder = folder;
  options.file = folder.parent_path() / "imported.h5";
  options.size = 2;
  options.test = 0;
  options.labels = labels;
  options.overwrite = true;
  const auto made = import_images(options, [](std::int64_t, std::int64_t) { return true; });
  REQUIRE(made);
  return static_cast<std::size_t>(made->train);
}

TEST_CASE(
    "I2, I3: strays beside class folders and litter are left out by reading and importing alike, and named") {
  const TemporaryFolder folder;
  for (const char* name :
       {"f/a/1.png", "f/a/2.PNG", "f/b/1.png", "f/preview.png", "f/.ipynb_checkpoints/x.png",
        "f/@eaDir/1.png", "f/a/.DS_Store.png", "f/b/1.sync-conflict-20240101.png", "f/b/2.png.part"})
    grey_png(folder / name);
  write(folder / "f/Thumbs.db", "x");
  write(folder / "f/a/notes.txt", "x");
  const ImageFolder read = read_images(folder / "f");
  CHECK(read.classes == Texts{"a", "b"});
  CHECK(testing::values_of<std::int64_t>(read.labels) == Labels{0, 0, 1});
  check_account(read.account, "took 3 images (3 .png) of 2 classes: a 2, b 1.");
  check_account(read.account, "left out 1 image beside the folders of the classes (preview.png).");
  check_account(read.account, "left out 6 hidden or left-over entries");
  check_account(read.account, "left out 1 file that is not an image by its name (a/notes.txt).");
  CHECK(list_images(folder / "f", Classes::kRequired).account == read.account);
  CHECK(imported(folder / "f", true) == 3);
  CHECK(imported(folder / "f", false) == 4);  // without classes nothing is a stray
}

TEST_CASE("a folder of images with a few more in a sub-folder stays one without classes") {
  const TemporaryFolder folder;
  for (const char* name : {"f/1.png", "f/2.png", "f/extra/3.png"}) grey_png(folder / name);
  const ImageFolder read = read_images(folder / "f");
  CHECK(read.x.rows() == 2);
  CHECK(read.labels.bytes.empty());
  check_account(read.account, "left out 1 image in sub-folders");
}

TEST_CASE("I4: links to classes are followed, loops of links end, links to nothing are named") {
  const TemporaryFolder folder;
  grey_png(folder / "elsewhere/1.png", 7);
  grey_png(folder / "f/a/1.png");
  fs::create_directory_symlink(folder / "elsewhere", folder / "f/b");
  fs::create_directory_symlink(folder / "f", folder / "f/a/up");
  fs::create_directory_symlink(folder / "f/a", folder / "f/b/to_a");
  fs::create_directory_symlink(folder / "f/b", folder / "f/a/to_b");
  fs::create_symlink("nowhere.png", folder / "f/a/gone.png");
  fs::create_symlink("self.png", folder / "f/a/self.png");
  const ImageListing found = list_images(folder / "f", Classes::kIfAny);
  CHECK(found.classes == Texts{"a", "b"});
  CHECK(found.images.size() == 4);  // each class has its own and, by a link, the other's
  check_account(found.account, "left out 4 links to nothing (a/gone.png, a/self.png, b/to_a/gone.png, …).");
  check_account(found.account, "seen already, by way of");
  CHECK(imported(folder / "f", true) == found.images.size());
}

TEST_CASE("M3: a class whose name is no UTF-8 is refused before the work, names of files are not") {
  const TemporaryFolder folder;
  grey_png(folder / "f/a/caf\xe9.png");
  grey_png(folder / "f/b/1.png");
  CHECK(read_images(folder / "f").x.rows() == 2);
  grey_png(folder / "f/caf\xe9/1.png");
  for (const auto& act : {std::function<void()>([&] { read_images(folder / "f"); }),
                          std::function<void()>([&] { imported(folder / "f", true); })})
    CHECK_THAT(refusal(act), ContainsSubstring("f/caf\\xe9: the name of this class is not UTF-8"));
  CHECK_FALSE(fs::exists(folder / "imported.h5"));
  CHECK(shown("a\nb\x1b\xc2\x9b\xc3\xa9") == "a\\x0ab\\x1b\\xc2\\x9b\xc3\xa9");
}

// ---- Formats

const Bytes kColours{10, 20, 30, 200, 100, 50, 0, 255, 128, 90, 80, 70};  // 2 x 2

Bytes read_one(const fs::path& file, bool as_colour, std::uint8_t background = 255) {
  ImageReader reader;
  const ImageSize size = reader.open(file);
  CHECK(size.width == 2);
  CHECK(size.height == 2);
  CHECK((as_colour || !size.is_colour));
  Bytes out(as_colour ? 12 : 4);
  reader.decode({as_colour, background}, out.data());
  return out;
}

Bytes rgba_of(const Bytes& rgb, const Bytes& alpha) {
  Bytes rgba;
  for (std::size_t p = 0; p < alpha.size(); ++p) {
    rgba.insert(rgba.end(), rgb.begin() + static_cast<std::ptrdiff_t>(3 * p),
                rgb.begin() + static_cast<std::ptrdiff_t>(3 * p + 3));
    rgba.push_back(alpha[p]);
  }
  return rgba;
}

fs::path write_webp(const fs::path& path, const Bytes& rgba) {
  std::uint8_t* bytes = nullptr;
  const std::size_t size = WebPEncodeLosslessRGBA(rgba.data(), 2, 2, 8, &bytes);
  write(path, std::span(bytes, size));
  WebPFree(bytes);
  return path;
}

fs::path write_tiff(const fs::path& path, const Bytes& pixels, int channels, int bits = 8, int pages = 1) {
  TIFF* tiff = TIFFOpen(path.c_str(), "w");
  for (int page = 0; page < pages; ++page) {
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, 2);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 2);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, channels);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, channels == 1 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_LZW);
    const std::size_t row = pixels.size() / 2;
    for (unsigned y = 0; y < 2; ++y)
      TIFFWriteScanline(tiff, const_cast<std::uint8_t*>(pixels.data()) + y * row, y);
    TIFFWriteDirectory(tiff);
  }
  TIFFClose(tiff);
  return path;
}

/// Two palette colours (black and the given one); each pixel stands behind a code that clears the table.
Bytes gif(const Bytes& colour, const Bytes& indices, int pictures = 1) {
  Bytes bytes{'G', 'I', 'F', '8', '9', 'a', 2, 0, 2, 0, 0x80, 0, 0, 0, 0, 0, colour[0], colour[1], colour[2]};
  std::uint64_t bits = 0;
  int length = 0;
  const auto add = [&](std::uint64_t code) {
    bits |= code << length;
    length += 3;
  };
  for (const std::uint8_t index : indices) add(4), add(index);
  add(5);
  for (int picture = 0; picture < pictures; ++picture) {
    for (int byte : {0x2c, 0, 0, 0, 0, 2, 0, 2, 0, 0, 2, (length + 7) / 8})
      bytes.push_back(static_cast<std::uint8_t>(byte));
    for (int i = 0; i < (length + 7) / 8; ++i) bytes.push_back(static_cast<std::uint8_t>(bits >> 8 * i));
    bytes.push_back(0);
  }
  bytes.push_back(0x3b);
  return bytes;
}

/// 24 bits a pixel, blue first, rows from below and filled up to four bytes.
Bytes bmp(const Bytes& rgb) {
  Bytes bytes{'B', 'M'};
  for (const std::uint32_t value : {70u, 0u, 54u, 40u, 2u, 2u}) testing::add_number(bytes, value, 4);
  testing::add_number(bytes, 1, 2);
  testing::add_number(bytes, 24, 2);
  for (const std::uint32_t value : {0u, 16u, 0u, 0u, 0u, 0u}) testing::add_number(bytes, value, 4);
  for (const std::size_t y : {1u, 0u}) {
    for (std::size_t x = 0; x < 2; ++x)
      for (const std::size_t c : {2u, 1u, 0u}) bytes.push_back(rgb[(y * 2 + x) * 3 + c]);
    bytes.insert(bytes.end(), {0, 0});
  }
  return bytes;
}

TEST_CASE("I7: GIF, BMP, WebP and TIFF are read to the last pixel, beside PNG and whatever their names say") {
  const TemporaryFolder folder;
  CHECK(read_one(write(folder / "x.bmp", bmp(kColours)), true) == kColours);
  CHECK(read_one(write(folder / "grey.bmp", bmp({9, 9, 9, 8, 8, 8, 7, 7, 7, 6, 6, 6})), false) ==
        Bytes{9, 8, 7, 6});
  CHECK(read_one(write(folder / "x.gif", gif({200, 10, 0}, {1, 0, 0, 1})), true) ==
        Bytes{200, 10, 0, 0, 0, 0, 0, 0, 0, 200, 10, 0});
  CHECK(read_one(write_tiff(folder / "x.tif", kColours, 3), true) == kColours);
  CHECK(read_one(write_tiff(folder / "grey.tiff", {1, 2, 3, 4}, 1), false) == Bytes{1, 2, 3, 4});
  CHECK(read_one(write_webp(folder / "x.webp", rgba_of(kColours, {255, 255, 255, 255})), true) == kColours);
  const Bytes half = rgba_of(kColours, {255, 0, 128, 255});
  const Bytes over_white{10, 20, 30, 255, 255, 255, 127, 255, 191, 90, 80, 70};
  CHECK(read_one(write_webp(folder / "half.webp", half), true) == over_white);
  const Bytes over_black{10, 20, 30, 0, 0, 0, 0, 128, 64, 90, 80, 70};
  CHECK(read_one(folder / "half.webp", true, 0) == over_black);
  fs::rename(folder / "half.webp", folder / "half.png");  // the bytes tell, not the name
  CHECK(read_one(folder / "half.png", true) == over_white);

  write_png(folder / "mixed/a.png", 2, 2, 1, Bytes{1, 2, 3, 4});
  write(folder / "mixed/b.bmp", bmp(kColours));
  const ImageFolder mixed = read_images(folder / "mixed");
  CHECK(mixed.x.shape == std::vector<std::int64_t>{2, 3, 2, 2});
  CHECK(mixed.x.bytes ==
        Bytes{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 10, 200, 0, 90, 20, 100, 255, 80, 30, 50, 128, 70});
  check_account(mixed.account, "took 2 images (1 .png, 1 .bmp), without classes.");
}

TEST_CASE("I7: what holds several pictures, or more than 8 bits, is refused by name") {
  const TemporaryFolder folder;
  const auto message = [&](const fs::path& path) { return refusal([&] { ImageReader().open(path); }); };
  CHECK_THAT(message(write(folder / "x.gif", gif({9, 9, 9}, {1, 0, 0, 1}, 3))),
             ContainsSubstring("it is an animation of 3 pictures, of which one is expected"));
  CHECK_THAT(message(write_tiff(folder / "x.tif", {1, 2, 3, 4}, 1, 8, 2)),
             ContainsSubstring("it has 2 pages"));
  CHECK_THAT(message(write_tiff(folder / "deep.tif", {1, 0, 2, 0, 3, 0, 4, 0}, 1, 16)),
             ContainsSubstring("it has 16 bits per value"));
  Bytes huge = bmp(kColours);
  huge[18 + 2] = huge[22 + 2] = 0x7f;  // width and height beyond eight million
  CHECK_THAT(message(write(folder / "huge.bmp", huge)), ContainsSubstring("found a header that claims"));
}

TEST_CASE("I6: JPEG with stray bytes, in inks, and PNG that is called .jpg are opened as viewers do") {
  const TemporaryFolder folder;
  const Bytes grey(4, 77);
  Bytes bytes = testing::read(write_jpeg(folder / "f/a.jpg", 2, 2, 1, grey));
  const Bytes good = read_one(folder / "f/a.jpg", false);
  bytes.insert(bytes.begin() + 2, {0, 0, 1});  // behind the first marker
  CHECK(read_one(write(folder / "f/stray.jpg", bytes), false) == good);
  grey_png(folder / "f/b.jpg", 77);
  CHECK(read_images(folder / "f").x.rows() == 3);
  // What four inks let through of white: 255 for none of an ink, as Adobe's programs store it.
  Bytes inks;
  for (int p = 0; p < 4; ++p) inks.insert(inks.end(), {200, 100, 50, 128});
  const Bytes colours = read_one(write_jpeg(folder / "inks.jpg", 2, 2, 4, inks), true);
  for (std::size_t i = 0; i < colours.size(); ++i)
    CHECK(std::abs(colours[i] - std::array{200, 100, 50}[i % 3] * 128 / 255.0) <= 1.5);
}

TEST_CASE("damaged images of the other formats are refused, not obeyed") {
  const TemporaryFolder folder;
  write_tiff(folder / "x.tif", kColours, 3);
  write_webp(folder / "x.webp", rgba_of(kColours, {255, 0, 128, 255}));
  write(folder / "x.gif", gif({200, 10, 0}, {1, 0, 0, 1}));
  write(folder / "x.bmp", bmp(kColours));
  std::uint64_t state = 1;
  const auto next = [&] { return state = state * 6364136223846793005u + 1442695040888963407u, state >> 33; };
  for (const char* name : {"x.tif", "x.webp", "x.gif", "x.bmp"}) {
    const Bytes good = testing::read(folder / name);
    for (int round = 0; round < 400; ++round) {
      Bytes bad = good;
      for (int change = 0; change < 1 + round % 3; ++change)
        bad[next() % bad.size()] = static_cast<std::uint8_t>(next());
      if (round % 7 == 0) bad.resize(next() % bad.size());
      try {
        ImageReader reader;
        const ImageSize size = reader.open(write(folder / "bad", bad));
        if (size.width * size.height > 1 << 20) continue;
        Bytes out(static_cast<std::size_t>(size.width * size.height * 3));
        reader.decode({true, 255}, out.data());
      } catch (const ReadError&) {
      }
    }
  }
}

}  // namespace
}  // namespace field_folders
}  // namespace variform::data
