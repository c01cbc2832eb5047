// Every format: read back exactly what was written, and refuse what is wrong with a sentence of its own.

#include <cstring>

#include <hdf5.h>

#include "data/readers/cifar10.h"
#include "data/readers/csv.h"
#include "data/readers/hdf5.h"
#include "data/readers/idx.h"
#include "data/readers/images.h"
#include "data/readers/npy.h"
#include "data/readers/zip.h"
#include <variform/shuffle.h>
#include "support.h"

namespace {

using namespace variform::data;
using namespace variform::data::testing;
using variform::testing::ContainsSubstring;
using variform::testing::StartsWith;
using Sizes = std::vector<std::int64_t>;
namespace fs = std::filesystem;

/// An HDF5 file with one chunked, deflated dataset /g/x of uint8.
fs::path write_hdf5(const fs::path& path, const std::vector<hsize_t>& sizes, hid_t file_type,
                    hid_t memory_type, const void* values) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr);
  const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(properties, static_cast<int>(sizes.size()), sizes.data());
  H5Pset_deflate(properties, 6);
  const hid_t dataset = H5Dcreate2(group, "x", file_type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
  if (values != nullptr) H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  H5Dclose(dataset);
  H5Pclose(properties);
  H5Sclose(space);
  H5Gclose(group);
  H5Fclose(file);
  return path;
}

template <class Read>
void fuzz(const fs::path& path, int rounds, Read read_file) {
  const Bytes good = read(path);
  variform::SplitMix random(7);
  int accepted = 0;
  for (int i = 0; i < rounds; ++i) {
    Bytes bad = good;
    const auto flips = 1 + random.below(4);
    for (std::uint64_t k = 0; k < flips; ++k)
      bad[random.below(std::min<std::uint64_t>(bad.size(), k % 2 == 0 ? 256 : bad.size()))] =
          static_cast<std::uint8_t>(random.next());
    if (random.below(3) == 0) bad.resize(random.below(bad.size()));
    write(path, bad);
    try {
      read_file(path);
      ++accepted;
    } catch (const ReadError& error) {
      REQUIRE_THAT(error.what(), ContainsSubstring(path.filename().string()));
    }
  }
  CHECK(accepted < rounds);
}

}  // namespace

TEST_CASE("idx files are read plain and compressed, in every element type") {
  const TemporaryFolder folder;
  const Bytes pixels = ramp(4 * 3 * 2);
  for (const auto& path : {write(folder / "a-idx3-ubyte", idx(8, {4, 3, 2}, pixels)),
                           write(folder / "b-idx3-ubyte.gz", gzip(idx(8, {4, 3, 2}, pixels)))}) {
    const Array array = read_idx(path);
    CHECK(array.element == Element::kUint8);
    CHECK(array.shape == Sizes{4, 3, 2});
    CHECK(array.bytes == pixels);
  }
  Bytes numbers;
  for (std::uint32_t bits : {0x3f800000u, 0xc0000000u}) add_number(numbers, bits, 4, true);  // 1 and -2
  CHECK(values_of<float>(read_idx(write(folder / "f", idx(0x0d, {2}, numbers)))) ==
        std::vector<float>{1, -2});
  Bytes integers;
  add_number(integers, 258, 4, true);
  CHECK(values_of<std::int32_t>(read_idx(write(folder / "i", idx(0x0c, {1}, integers)))) == std::vector{258});
}

TEST_CASE("a gzip file may have several members, and something else behind them") {
  const TemporaryFolder folder;
  const Bytes pixels = ramp(300'000), whole = idx(8, {300'000}, pixels);  // more than a buffer
  const std::span<const std::uint8_t> all(whole);
  for (const std::size_t cut : {std::size_t{1}, std::size_t{4}, std::size_t{150'000}, whole.size() - 1}) {
    Bytes file = gzip(all.first(cut));
    const Bytes rest = gzip(all.subspan(cut));
    file.insert(file.end(), rest.begin(), rest.end());
    CHECK(read_idx(write(folder / "members-idx.gz", file)).bytes == pixels);
    for (const Bytes& end : {Bytes{0}, Bytes{0x1f}, Bytes{0x1f, 0}, Bytes(200'000, 0)}) {
      Bytes longer = file;
      longer.insert(longer.end(), end.begin(), end.end());
      CHECK(read_idx(write(folder / "padded-idx.gz", longer)).bytes == pixels);
    }
    file.resize(file.size() - 3);
    CHECK_THAT(refusal([&] { read_idx(write(folder / "short-idx.gz", file)); }),
               ContainsSubstring("found it cut short"));
  }
}

TEST_CASE("members of a gzip file may begin anywhere in what is read at once") {
  const TemporaryFolder folder;
  const Bytes pixels = ramp(1000), whole = idx(8, {1000}, pixels), rest = gzip(std::span(whole).subspan(500));
  constexpr std::size_t kHeader = 10, kReadAtOnce = 1u << 17;
  constexpr std::uint8_t kHasName = 8;
  Bytes first = gzip(std::span(whole).first(500));
  first[3] |= kHasName;
  for (const std::size_t end : {kReadAtOnce - 2, kReadAtOnce - 1, kReadAtOnce, kReadAtOnce + 1}) {
    Bytes file = first, name(end - first.size(), 'x');
    name.back() = 0;
    file.insert(file.begin() + kHeader, name.begin(), name.end());
    file.insert(file.end(), rest.begin(), rest.end());
    CHECK(read_idx(write(folder / "named-idx.gz", file)).bytes == pixels);
  }
}

TEST_CASE("a wrong idx file is refused with what was expected and what was found") {
  const TemporaryFolder folder;
  const Bytes good = idx(8, {4, 3, 2}, ramp(24));
  const auto message = [&](const Bytes& bytes) {
    return refusal([&] { read_idx(write(folder / "x-idx", bytes)); });
  };
  Bytes bad(good.begin(), good.end() - 1);
  CHECK_THAT(message(bad), StartsWith((folder / "x-idx").string()));
  CHECK_THAT(message(bad),
             ContainsSubstring("expected 4 x 3 x 2 uint8 after the header (24 bytes), found only 23; the "
                               "file is truncated or its header is damaged."));
  bad = good;
  bad.push_back(0);
  CHECK_THAT(message(bad), ContainsSubstring("expected the end of the file after 4 x 3 x 2 uint8"));
  CHECK_THAT(message({'P', 'N', 'G', '!'}), ContainsSubstring("expected an idx file"));
  CHECK_THAT(message({'P', 'N', 'G', '!'}), ContainsSubstring("found it to begin with 50 4e 47 21."));
  CHECK_THAT(message({0, 0, 8}),
             ContainsSubstring("expected the first four bytes of an idx file (4 bytes), found a file that "
                               "can hold no more than 3 bytes"));
  CHECK_THAT(message(idx(8, {0, 3}, {})),
             ContainsSubstring("expected at least one element, found an array of 0 x 3."));
  CHECK_THAT(message(idx(9, {1}, ramp(1))), ContainsSubstring("begin with 00 00 09 01."));
}

TEST_CASE("a header that promises more than the file holds takes no memory") {
  const TemporaryFolder folder;
  const std::uint32_t huge = 0xffffffffu;
  CHECK_THAT(refusal([&] {
               read_idx(write(folder / "a-idx", idx(8, {huge, huge, huge}, ramp(9))));
             }),
             ContainsSubstring("more than any file holds; the header is damaged."));
  CHECK_THAT(refusal([&] {
               read_idx(write(folder / "b-idx", idx(8, {huge, 784}, ramp(9))));
             }),
             ContainsSubstring("found a file that can hold no more than"));
  CHECK_THAT(refusal([&] {
               read_idx(write(folder / "c-idx.gz", gzip(idx(8, {huge, 784}, ramp(9)))));
             }),
             ContainsSubstring("found a file that can hold no more than"));
  CHECK_THAT(
      refusal([&] { read_npy(write(folder / "d.npy", npy("'<f8'", "(9223372036854775807, 8)", ramp(8)))); }),
      ContainsSubstring("more than any file holds"));
}

TEST_CASE("damaged gzip data are refused") {
  const TemporaryFolder folder;
  const Bytes good = gzip(idx(8, {5000}, ramp(5000)));
  Bytes bad(good.begin(), good.end() - 30);
  CHECK_THAT(refusal([&] { read_idx(write(folder / "x.gz", bad)); }),
             ContainsSubstring("found it cut short"));
  bad = good;
  bad[good.size() - 6] ^= 1;  // within the checksum
  CHECK_THAT(refusal([&] { read_idx(write(folder / "x.gz", bad)); }),
             ContainsSubstring("damaged (incorrect data check)"));
  CHECK_THAT(refusal([&] { read_idx(folder / "absent"); }),
             ContainsSubstring("cannot be read: No such file"));
  CHECK_THAT(refusal([&] { read_idx(folder.path()); }),
             ContainsSubstring("expected a file, found a folder."));
}

TEST_CASE("npy files are read in every element type and byte order") {
  const TemporaryFolder folder;
  const auto round = [&](const std::string& descr, const Bytes& bytes) {
    return read_npy(write(folder / "x.npy", npy(descr, "(2, 2)", bytes)));
  };
  CHECK(round("'|u1'", {1, 2, 3, 255}).bytes == Bytes{1, 2, 3, 255});
  CHECK(round("'|b1'", {0, 1, 1, 0}).element == Element::kBool);
  CHECK(values_of<std::int32_t>(round("'<i4'", bytes_of<std::int32_t>({1, -2, 3, 4}))) ==
        std::vector{1, -2, 3, 4});
  CHECK(values_of<std::int64_t>(round("'<i8'", bytes_of<std::int64_t>({1, -2, 3, 4}))) ==
        std::vector<std::int64_t>{1, -2, 3, 4});
  CHECK(values_of<float>(round("'<f4'", bytes_of<float>({1, -2, .5f, 4}))) ==
        std::vector<float>{1, -2, .5f, 4});
  const Array doubles = round("'<f8'", bytes_of<double>({1, -2, .5, 4}));
  CHECK(values_of<double>(doubles) == std::vector<double>{1, -2, .5, 4});
  CHECK(doubles.shape == Sizes{2, 2});
  CHECK(values_of<std::int32_t>(round("'>i4'", {0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 255, 255, 255, 255})) ==
        std::vector{258, 1, 0, -1});
  CHECK(read_npy(write(folder / "v.npy", npy("'|u1'", "(3,)", ramp(3)))).shape == Sizes{3});
}

TEST_CASE("npy files of what is no array of numbers are refused") {
  const TemporaryFolder folder;
  const auto message = [&](const Bytes& bytes) {
    return refusal([&] { read_npy(write(folder / "x.npy", bytes)); });
  };
  CHECK_THAT(message(npy("'|O'", "(2,)", ramp(40))),
             ContainsSubstring("found a pickled Python object array, which is not read"));
  CHECK_THAT(message(npy("'<c8'", "(2,)", ramp(16))),
             ContainsSubstring("found dtype <c8; convert with astype"));
  CHECK_THAT(message(npy("[('a', '<f4')]", "(2,)", ramp(8))),
             ContainsSubstring("found dtype [('a', '<f4')]"));
  CHECK_THAT(message(npy("'|u1'", "(5,)", ramp(4))),
             ContainsSubstring("expected 5 elements of 1 bytes after the header (5 bytes), found only 4"));
  CHECK_THAT(message(npy("'|u1'", "(3,)", ramp(4))),
             ContainsSubstring("expected the end of the file after 3 elements"));
  CHECK_THAT(message(npy("'|u1'", "[3]", ramp(4))), ContainsSubstring("found a header without them"));
  CHECK_THAT(message(npy("'|u1'", "(-3,)", ramp(4))),
             ContainsSubstring("expected at least one element, found an array of -3."));
  CHECK_THAT(message(ramp(20)), ContainsSubstring("it begins with \\x93NUMPY"));
  Bytes long_header = npy("'|u1'", "(3,)", ramp(3));
  long_header[6] = 2;  // version 2: the length has four bytes, two of which are now the header's first
  CHECK_THAT(message(long_header), ContainsSubstring("expected an npy header of at most 1 MiB"));
}

TEST_CASE("npz members are read stored, deflated and with zip64 sizes, whatever else the file holds") {
  const TemporaryFolder folder;
  const Bytes pixels = ramp(300000);
  const auto path =
      write(folder / "x.npz", zip({{"metadata.npy", npy("'|O'", "()", ramp(50))},
                                   {"stored.npy", npy("'|u1'", "(3, 100000)", pixels)},
                                   {"deflated.npy", npy("'|u1'", "(3, 100000)", pixels), true},
                                   {"large.npy", npy("'|u1'", "(300000,)", pixels), true, true}}));
  CHECK(npz_members(path) == std::vector<std::string>{"metadata", "stored", "deflated", "large"});
  CHECK(read_npz(path, "stored").bytes == pixels);
  CHECK(read_npz(path, "deflated").bytes == pixels);
  CHECK(read_npz(path, "deflated").shape == Sizes{3, 100000});
  CHECK(read_npz(path, "large").bytes == pixels);
  CHECK_THAT(refusal([&] { read_npz(path, "metadata"); }),
             ContainsSubstring("x.npz (member metadata.npy): expected numbers"));
  CHECK_THAT(
      refusal([&] { read_npz(path, "images"); }),
      ContainsSubstring(
          "expected a member \"images.npy\", found metadata.npy, stored.npy, deflated.npy, large.npy."));
}

TEST_CASE("damaged zip files are refused") {
  const TemporaryFolder folder;
  const Bytes good = zip({{"x.npy", npy("'|u1'", "(5000,)", ramp(5000)), true}});
  const auto message = [&](const Bytes& bytes) {
    return refusal([&] { read_npz(write(folder / "x.npz", bytes), "x"); });
  };
  CHECK_THAT(message({good.begin(), good.end() - 10}),
             ContainsSubstring("found no directory of members at its end"));
  CHECK_THAT(message({good.begin() + 40, good.end()}), ContainsSubstring("directory"));
  CHECK_THAT(message({}), ContainsSubstring("found no directory of members at its end"));
  Bytes bad = good;
  bad[200] ^= 0xff;  // in the deflated data, behind the npy header
  CHECK_THAT(message(bad), ContainsSubstring("damaged"));
  bad = zip({{"x.npy", npy("'|u1'", "(50,)", ramp(50))}});
  bad[130] ^= 1;  // in the stored data
  CHECK_THAT(message(bad), ContainsSubstring("its checksum does not match its bytes"));
  bad = good;
  const std::size_t entry =
      bad.size() - 22 - (46 + 5);  // of the directory, whose numbers change from here on
  bad[entry + 10] = 12;            // bzip2
  CHECK_THAT(message(bad), ContainsSubstring("found compression method 12."));
  bad = good;
  bad[entry + 8] = 1;
  CHECK_THAT(message(bad), ContainsSubstring("found it encrypted."));
  bad = good;
  bad[entry + 42 + 3] = 0x7f;  // local header far outside
  CHECK_THAT(message(bad), ContainsSubstring("found member x.npy to lie outside the file"));
}

TEST_CASE("HDF5 datasets are read by path") {
  const TemporaryFolder folder;
  const Bytes pixels = ramp(6 * 20);
  const auto path = write_hdf5(folder / "x.h5", {6, 20}, H5T_STD_U8LE, H5T_NATIVE_UINT8, pixels.data());
  const Array array = read_hdf5(path, "/g/x");
  CHECK(array.shape == Sizes{6, 20});
  CHECK(array.bytes == pixels);
  const std::vector<double> numbers{1.5, -2, 1e300};
  CHECK(values_of<double>(read_hdf5(
            write_hdf5(folder / "d.h5", {3}, H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE, numbers.data()), "g/x")) ==
        numbers);
  const std::vector<std::int32_t> shorts{1, -2, 3};
  CHECK(values_of<std::int32_t>(read_hdf5(
            write_hdf5(folder / "s.h5", {3}, H5T_STD_I16LE, H5T_NATIVE_INT32, shorts.data()), "g/x")) ==
        shorts);
}

TEST_CASE("HDF5 files that cannot be what is asked for are refused") {
  const TemporaryFolder folder;
  const Bytes pixels = ramp(20000);
  const auto path = write_hdf5(folder / "x.h5", {20000}, H5T_STD_U8LE, H5T_NATIVE_UINT8, pixels.data());
  CHECK_THAT(refusal([&] { read_hdf5(path, "/images"); }),
             ContainsSubstring("expected a dataset /images, found /g/x."));
  CHECK_THAT(refusal([&] { read_hdf5(folder / "absent.h5", "/x"); }),
             ContainsSubstring("expected a file, found none."));
  CHECK_THAT(refusal([&] { read_hdf5(write(folder / "t.h5", "text"), "/x"); }),
             ContainsSubstring("expected an HDF5 file, found one that the HDF5 library refuses"));
  Bytes bytes = read(path);
  bytes.resize(bytes.size() - 100);
  CHECK_THAT(refusal([&] { read_hdf5(write(folder / "c.h5", bytes), "/g/x"); }),
             ContainsSubstring("truncated"));
  // A hundred gigabytes promised, nothing stored.
  const hid_t file = H5Fcreate((folder / "e.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t size = 100'000'000'000, chunk = 1000;
  const hid_t space = H5Screate_simple(1, &size, nullptr), properties = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(properties, 1, &chunk);
  H5Dclose(H5Dcreate2(file, "x", H5T_STD_U8LE, space, H5P_DEFAULT, properties, H5P_DEFAULT));
  H5Pclose(properties);
  H5Sclose(space);
  H5Fclose(file);
  CHECK_THAT(refusal([&] { read_hdf5(folder / "e.h5", "/x"); }),
             ContainsSubstring("it needs 100.00 GB of memory"));
}

TEST_CASE("CIFAR-10 batches are split into images and labels") {
  const TemporaryFolder folder;
  const auto batch = read_cifar10(write(folder / "b.bin", cifar10({3, 9, 0})));
  CHECK(batch.x.shape == Sizes{3, 3, 32, 32});
  CHECK(values_of<std::int64_t>(batch.labels) == std::vector<std::int64_t>{3, 9, 0});
  CHECK(batch.x.bytes[3072] == (0 ^ 9));
  CHECK(batch.x.bytes[2 * 3072 - 1] == (ramp(3072).back() ^ 9));
  Bytes bad = cifar10({1, 2});
  bad.pop_back();
  CHECK_THAT(refusal([&] { read_cifar10(write(folder / "b.bin", bad)); }),
             ContainsSubstring("whole records of 3073 bytes, found 6145 bytes"));
  CHECK_THAT(refusal([&] {
               read_cifar10(write(folder / "b.bin", cifar10({1, 10})));
             }),
             ContainsSubstring("expected labels 0 to 9, found 10 in record 1"));
  CHECK_THAT(refusal([&] { read_cifar10(write(folder / "b.bin", Bytes{})); }),
             ContainsSubstring("found 0 bytes"));
}

TEST_CASE("folders of images are read in the order of their names") {
  const TemporaryFolder folder;
  const Bytes first = ramp(5 * 4), second(5 * 4, 77);
  write_png(folder / "grey/b.png", 5, 4, 1, second);
  write_png(folder / "grey/a.png", 5, 4, 1, first);
  write(folder / "grey/notes.txt", "no image");
  const ImageFolder grey = read_images(folder / "grey");
  CHECK(grey.x.shape == Sizes{2, 1, 4, 5});
  Bytes both = first;
  both.insert(both.end(), second.begin(), second.end());
  CHECK(grey.x.bytes == both);
  CHECK(grey.labels.bytes.empty());

  const Bytes colour = ramp(5 * 4 * 3);
  write_png(folder / "classes/dog/1.png", 5, 4, 3, colour);
  write_png(folder / "classes/cat/1.png", 5, 4, 1, second);
  const ImageFolder classes = read_images(folder / "classes");
  CHECK(classes.classes == std::vector<std::string>{"cat", "dog"});
  CHECK(classes.x.shape == Sizes{2, 3, 4, 5});
  CHECK(values_of<std::int64_t>(classes.labels) == std::vector<std::int64_t>{0, 1});
  for (std::size_t i = 0; i < 60; ++i) CHECK(classes.x.bytes[i] == 77);  // grey made colour
  for (std::size_t p = 0; p < 20; ++p) CHECK(classes.x.bytes[60 + 20 + p] == colour[3 * p + 1]);  // planes

  write_jpeg(folder / "jpeg/a.jpg", 5, 4, 1, second);
  const ImageFolder jpeg = read_images(folder / "jpeg");
  CHECK(jpeg.x.shape == Sizes{1, 1, 4, 5});
  for (std::uint8_t value : jpeg.x.bytes) CHECK(std::abs(value - 77) <= 1);
}

TEST_CASE("folders of unequal or damaged images are refused") {
  const TemporaryFolder folder;
  CHECK_THAT(refusal([&] { read_images(folder / "none"); }),
             ContainsSubstring("expected a folder of images, found none."));
  CHECK_THAT(
      refusal([&] { read_images(folder.path()); }),
      ContainsSubstring("expected images (.png, .jpg, .jpeg, .gif, .webp, .tif, .bmp) in it or below it"));
  write_png(folder / "a.png", 5, 4, 1, ramp(20));
  write_png(folder / "b.png", 4, 5, 1, ramp(20));
  CHECK_THAT(refusal([&] { read_images(folder.path()); }),
             ContainsSubstring("b.png: expected 5 x 4 pixels as in a.png, found 4 x 5; all images"));
  Bytes bytes = read(folder / "a.png");
  bytes[bytes.size() - 20] ^= 0x40;
  write(folder / "b.png", bytes);
  CHECK_THAT(refusal([&] { read_images(folder.path()); }),
             ContainsSubstring("b.png: expected an intact PNG image"));
  write(folder / "b.png", "some text that is no image");
  CHECK_THAT(refusal([&] { read_images(folder.path()); }),
             ContainsSubstring(
                 "b.png: expected an image (PNG, JPEG, GIF, BMP, WebP, TIFF), found a file that begins"));
  fs::remove(folder / "b.png");
  bytes = read(write_jpeg(folder / "b.jpg", 5, 4, 1, ramp(20)));
  bytes.resize(bytes.size() - 12);
  write(folder / "b.jpg", bytes);
  CHECK_THAT(refusal([&] { read_images(folder.path()); }),
             ContainsSubstring("b.jpg: expected an intact JPEG image"));
}

TEST_CASE("tables of numbers are read with and without names") {
  const TemporaryFolder folder;
  const Table named = read_csv(write(folder / "a.csv", "height, \"weight\"\n# comment\n1.5,2\n\n-3,4e2\r\n"));
  CHECK(named.columns == std::vector<std::string>{"height", "weight"});
  CHECK(values_of<double>(named.values) == std::vector<double>{1.5, 2, -3, 400});
  const Table bare = read_csv(write(folder / "b.txt", "1  2 3\n4 5 +6"));
  CHECK(bare.values.shape == Sizes{2, 3});
  CHECK(values_of<double>(bare.values).back() == 6);
  const auto message = [&](const std::string& text) {
    return refusal([&] { read_csv(write(folder / "x.csv", text)); });
  };
  CHECK_THAT(message("1,2\n3\n"),
             ContainsSubstring("x.csv, line 2: expected 2 cells as in the line before, found 1."));
  CHECK_THAT(message("1,2\n3,x\n"),
             ContainsSubstring(
                 "line 2, column \"2\": expected a finite number as in the lines before, found \"x\"."));
  CHECK_THAT(message("1,2\n3,nan\n"),
             ContainsSubstring("line 2, column \"2\": \"nan\" stands where a value should"));
  CHECK_THAT(message("a,b\n"), ContainsSubstring("expected lines of numbers, found names of columns alone."));
}

TEST_CASE("damaged files of every format are refused, not obeyed") {
  const TemporaryFolder folder;
  fuzz(write(folder / "x-idx", idx(8, {9, 8, 7}, ramp(504))), 1000,
       [](const fs::path& p) { return read_idx(p); });
  fuzz(write(folder / "x-idx.gz", gzip(idx(8, {9, 8, 7}, ramp(504)))), 1000,
       [](const fs::path& p) { return read_idx(p); });
  fuzz(write(folder / "x.npy", npy("'<f4'", "(10, 10)", ramp(400))), 1000,
       [](const fs::path& p) { return read_npy(p); });
  const auto npz = [](const fs::path& p) { return read_npz(p, "x"); };
  fuzz(write(folder / "s.npz", zip({{"x.npy", npy("'|u1'", "(400,)", ramp(400)), false, true}})), 1500, npz);
  fuzz(write(folder / "d.npz", zip({{"x.npy", npy("'|u1'", "(400,)", ramp(400)), true}})), 1500, npz);
  fuzz(write(folder / "x.bin", cifar10({1, 2})), 200, [](const fs::path& p) { return read_cifar10(p); });
  fuzz(write(folder / "x.csv", "a,b\n1,2\n3.5,4\n5,6e3\n7,8\n9,10\n"), 1000,
       [](const fs::path& p) { return read_csv(p); });
  fuzz(write(folder / "q.csv", "\xef\xbb\xbf\"a, \"\"b\",c\r\n1;5,two\r\n\"3\",\"4\n5\",\r\n"), 1000,
       [](const fs::path& p) { return read_csv(p); });
  write_png(folder / "png/x.png", 16, 16, 3, ramp(768));
  fuzz(folder / "png/x.png", 500, [](const fs::path& p) { return read_images(p.parent_path()); });
  write_jpeg(folder / "jpeg/x.jpg", 16, 16, 3, ramp(768));
  fuzz(folder / "jpeg/x.jpg", 500, [](const fs::path& p) { return read_images(p.parent_path()); });
}

TEST_CASE("a truncated HDF5 file is refused wherever it ends") {
  const TemporaryFolder folder;
  const Bytes pixels = ramp(2000);
  const auto path = write_hdf5(folder / "x.h5", {2000}, H5T_STD_U8LE, H5T_NATIVE_UINT8, pixels.data());
  const Bytes good = read(path);
  for (std::size_t size = 0; size + 16 < good.size(); size += 37) {
    write(path, std::span(good).first(size));
    CHECK_THROWS_AS(read_hdf5(path, "/g/x"), ReadError);
  }
}
