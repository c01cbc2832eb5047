// A file as a data set: what is guessed, what is said about it, and that all of it can be said otherwise. Compressed files,
// sparse and compressed HDF5, and locks.

#include <bzlib.h>
#include <fcntl.h>
#include <hdf5.h>
#include <lzma.h>
#include <sys/file.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <functional>

#include <ATen/ATen.h>

#include "base/sha256.h"
#include "catch.h"
#include "config/load.h"
#include "data/dataset.h"
#include "data/guess.h"
#include "data/readers/hdf5.h"
#include "data/summary.h"
#include "data/support.h"

namespace variform::data {
namespace field_files {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::npy;
using testing::ramp;
using testing::refusal;
using testing::TemporaryFolder;
using testing::write;
using testing::zip;
using variform::testing::ContainsSubstring;
namespace fs = std::filesystem;

Splits load_path(const std::string& dataset, const std::string& more = "", const fs::path& data = {}) {
  config::Diagnostics diagnostics;
  const config::DataSpec spec = config::parse_data(
      config::parse("[data]\ndataset = \"" + dataset + "\"\n" + more, "exp.toml", diagnostics), diagnostics);
  diagnostics.throw_if_any();
  return load(spec, data.empty() ? std::vector<fs::path>{} : std::vector{data}, {}, 1, at::kCPU, at::kFloat);
}

bool has_note(const Splits& splits, const std::string& text) {
  return std::any_of(splits.notes.begin(), splits.notes.end(),
                     [&](const std::string& note) { return note.find(text) != std::string::npos; });
}

std::string failure_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  FAIL("expected an error, found none");
  return {};
}

Bytes labels_of(const std::vector<std::int64_t>& labels) {
  return npy("'<i8'", "(" + std::to_string(labels.size()) + ",)", bytes_of(labels));
}

TEST_CASE(
    "an npz file is a data set: x, labels and what is not used are told by names and shapes, and said") {
  const TemporaryFolder folder;
  write(folder / "faces.npz", zip({{"mean.npy", npy("'<f8'", "(3,)", bytes_of(std::vector<double>{1, 2, 3}))},
                                   {"imgs.npy", npy("'|u1'", "(4, 6, 6, 3)", ramp(432))},
                                   {"y.npy", labels_of({0, 2, 1, 0})},
                                   {"info.npy", npy("'|O'", "()", ramp(50))}}));
  const Splits splits = load_path((folder / "faces.npz").string());
  CHECK(splits.name == "faces");
  CHECK(splits.train.shape() == Shape{3, 6, 6});
  CHECK(splits.train.domain() == "unit interval");
  CHECK(splits.train.labels().equal(at::tensor({0, 2, 1, 0}, at::kLong)));
  CHECK(has_note(splits, "x = faces.npz:imgs, labels = faces.npz:y"));
  CHECK(has_note(splits, "not used: mean [3], info (not an array of numbers)"));
  CHECK(has_note(splits, "was taken for height x width x channels"));
  CHECK(splits.train.gather(at::arange(1))[0][1][0][2].item<float>() * 255 == 7);  // row 0, column 2, green
  CHECK(load_path((folder / "faces.npz").string() + ":imgs").train.labels().defined() == false);
  CHECK_THAT(refusal([&] {
               guess_description({folder / "faces.npz", "images"});
             }),
             ContainsSubstring("expected an array images, found mean [3], imgs [4 x 6 x 6 x 3], y [4], info "
                               "(not an array of numbers)."));
  // In a data folder, by its name alone.
  CHECK(load_path("faces.npz", "", folder.path()).train.size() == 4);
}

TEST_CASE("several arrays that could be the data are asked about, and splits are told by their names") {
  const TemporaryFolder folder;
  const Bytes four = npy("'|u1'", "(4, 2)", ramp(8)), two = npy("'|u1'", "(2, 2)", ramp(4));
  write(folder / "two.npz", zip({{"left.npy", four}, {"right.npy", four}}));
  CHECK_THAT(refusal([&] {
               guess_description({folder / "two.npz", ""});
             }),
             ContainsSubstring("found left [4 x 2], right [4 x 2]; say which: \"two.npz:left\"."));
  write(folder / "keras.npz", zip({{"x_train.npy", four},
                                   {"y_train.npy", labels_of({0, 1, 0, 1})},
                                   {"x_test.npy", two},
                                   {"y_test.npy", labels_of({1, 0})}}));
  const Splits splits = load_path((folder / "keras.npz").string());
  CHECK(splits.train.size() == 4);
  CHECK(splits.test.size() == 2);
  CHECK(splits.test.labels().equal(at::tensor({1, 0}, at::kLong)));
  CHECK_THAT(failure_of([&] { load_path((folder / "keras.npz").string(), "test = 0.5"); }),
             ContainsSubstring("data.test = 0.5 is for data of one split"));
}

TEST_CASE("data.test draws a share for testing that does not depend on the seed, and says so") {
  const TemporaryFolder folder;
  std::vector<float> values(40);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  write(folder / "x.npy", npy("'<f4'", "(20, 2)", bytes_of(values)));
  const std::string path = (folder / "x.npy").string();
  const Splits splits = load_path(path, "test = 0.25");
  REQUIRE(splits.train.size() == 15);
  REQUIRE(splits.test.size() == 5);
  const auto first = [](const Dataset& data) { return data.gather(at::arange(data.size())).select(1, 0); };
  const at::Tensor all = at::cat({first(splits.train), first(splits.test)});
  CHECK(std::get<0>(all.sort()).equal(at::arange(0, 40, 2).to(at::kFloat)));
  CHECK_FALSE(first(splits.test).equal(at::arange(30, 40, 2).to(at::kFloat)));  // drawn, not cut off
  CHECK(first(load_path(path, "test = 5").test).equal(first(splits.test)));
  CHECK(has_note(splits, "5 of the 20 rows of the data set \"x\" were drawn for testing (data.test)"));
  CHECK(has_note(load_path(path), "data.test = 0.1 keeps a tenth of it for testing"));
  for (const char* wrong : {"test = 20", "test = 0.01"})
    CHECK_THAT(failure_of([&] { load_path(path, wrong); }),
               ContainsSubstring("expected at least one row for each, testing and training"));
  CHECK_THAT(failure_of([&] { load_path(path, "test = 2.5"); }),
             ContainsSubstring("must be a whole number of rows or a share below 1, found 2.5"));
}

TEST_CASE("a table is a data set: its column of text is the labels; one-hot columns are, too") {
  const TemporaryFolder folder;
  write(folder / "t.csv", "w,h,species\n1,2,dog\n3,4,cat\n5,6,dog\n");
  const Splits splits = load_path((folder / "t.csv").string());
  CHECK(splits.train.shape() == Shape{2});
  CHECK(splits.train.class_names == std::vector<std::string>{"cat", "dog"});
  CHECK(splits.train.labels().equal(at::tensor({1, 0, 1}, at::kLong)));
  const auto described = [&](const std::string& text) {
    config::Diagnostics diagnostics;
    config::DataSpec spec;
    spec.dataset = config::parse(text, (folder / "d.toml").string(), diagnostics);
    diagnostics.throw_if_any();
    return load(spec, {}, {}, 1, at::kCPU, at::kFloat);
  };
  write(folder / "hot.csv", "w,cat,dog,owl\n1,0,1,0\n2,1,0,0\n3,0,0,1\n");
  const std::string hot =
      "x = \"hot.csv:w\"\nlabels = { files = [\"hot.csv\"], columns = [\"cat\", \"dog\", \"owl\"] }";
  CHECK(described(hot).train.labels().equal(at::tensor({1, 0, 2}, at::kLong)));
  write(folder / "hot.csv", "w,cat,dog,owl\n1,0,1,0\n2,1,1,0\n3,0,0,1\n");
  CHECK_THAT(refusal([&] { described(hot); }),
             ContainsSubstring(
                 "3 columns of which one is 1 and the others are 0; found row 1 (from 0) to be neither."));
}

TEST_CASE("T3: rows that lack a value are an error or, when asked for, left out with a note") {
  const TemporaryFolder folder;
  write(folder / "t.csv", "a,b,kind\n1,2,x\n-999,4,y\n5,NA,x\n7,8,y\n");
  const auto described = [&](const std::string& keys) {
    write(folder / "d.toml", "x = \"t.csv\"\nlabels = \"t.csv:kind\"\n" + keys);
    return load_path((folder / "d.toml").string());
  };
  CHECK_THAT(failure_of([&] { described(""); }), ContainsSubstring("drop_missing = true in the data set"));
  CHECK_THAT(failure_of([&] { described("missing = [\"-999\"]"); }),
             ContainsSubstring("line 3, column \"a\": \"-999\" stands where a value should"));
  const Splits some = described("drop_missing = true");
  CHECK(some.train.size() == 3);
  const Splits all = described("drop_missing = true\nmissing = [\"-999\"]");
  CHECK(all.train.gather(at::arange(2)).equal(at::tensor({1.f, 2.f, 7.f, 8.f}).reshape({2, 2})));
  CHECK(all.train.labels().equal(at::tensor({0, 1}, at::kLong)));
  CHECK(has_note(all, "2 of 4 rows lack a value and are left out (drop_missing)."));
}

TEST_CASE("T8: first and last rows of one class, in a file that is sorted, are noted") {
  const TemporaryFolder folder;
  write(folder / "x.npz",
        zip({{"x.npy", npy("'|u1'", "(6, 2)", ramp(12))}, {"y.npy", labels_of({0, 0, 0, 1, 1, 1})}}));
  const std::string path = (folder / "x.npz").string();
  CHECK(has_note(
      load_path(path, "limit = 3"),
      "The first 3 rows of the data set \"x\", to which data.limit keeps the training, are all of class 0"));
  CHECK(has_note(load_path(path, "validation = 2"),
                 "The last 2 rows of the data set \"x\", which are for validation"));
  CHECK_FALSE(has_note(load_path(path, "limit = 4"), "all of class"));
}

TEST_CASE("domains of files without a description: bits are bits, images from 0 to 1 are that") {
  const TemporaryFolder folder;
  const auto domain = [&](const Bytes& bytes) {
    write(folder / "x.npy", bytes);
    return load_path((folder / "x.npy").string()).train.domain();
  };
  CHECK(domain(npy("'|u1'", "(2, 2, 2)", Bytes{0, 1, 1, 0, 0, 0, 1, 0})) == "binary");
  CHECK(domain(npy("'|u1'", "(2, 2, 2)", Bytes{0, 1, 2, 0, 0, 0, 1, 0})) == "unit interval");
  CHECK(domain(npy("'<f4'", "(1, 2, 2)", bytes_of(std::vector<float>{0, 1, 1, 0}))) == "binary");
  CHECK(domain(npy("'<f4'", "(1, 2, 2)", bytes_of(std::vector<float>{0, 1, 0.5, 0}))) == "unit interval");
  CHECK(domain(npy("'<f4'", "(1, 2, 2)", bytes_of(std::vector<float>{0, 1, -0.5, 0}))) == "real");
  CHECK(domain(npy("'<f4'", "(2, 2)", bytes_of(std::vector<float>{0, 1, 0.5, 0}))) == "real");  // a table
  CHECK(domain(npy("'<i8'", "(1, 2)", bytes_of(std::vector<std::int64_t>{0, 5}))) == "count");
}

TEST_CASE("the description that is printed is read as the same data set, and a folder of splits is one") {
  const TemporaryFolder folder;
  for (const char* name :
       {"f/train/a/1.png", "f/train/b/1.png", "f/train/b/2.png", "f/test/b/1.png", "f/test/a/7.png"})
    testing::write_png(folder / name, 2, 2, 1, Bytes(4, 9));
  const Splits guessed = load_path((folder / "f").string());
  CHECK(guessed.train.size() == 3);
  CHECK(guessed.test.size() == 2);
  write(folder / "f.toml", guess_description({folder / "f", ""}));
  const Splits described = load_path((folder / "f.toml").string());
  CHECK(described.train.labels().equal(guessed.train.labels()));
  CHECK(described.test.size() == 2);
  CHECK(has_note(described, "took 3 images (3 .png) of 2 classes: a 1, b 2."));
}

TEST_CASE("a data set's summary: ranges, values that never vary, classes") {
  const TemporaryFolder folder;
  write(folder / "x.npz", zip({{"x.npy", npy("'|u1'", "(3, 2)", Bytes{51, 7, 102, 7, 255, 7})},
                               {"y.npy", labels_of({1, 1, 0})}}));
  const SplitSummary summary = summarise(load_path((folder / "x.npz").string()).train, "train");
  CHECK(summary.stored == "uint8");
  CHECK(std::abs(summary.low - 7 / 255.0) < 1e-6);
  CHECK(summary.high == 1);
  CHECK(std::abs(summary.mean - (51 + 102 + 255 + 21) / 6.0 / 255) < 1e-6);
  CHECK(summary.constants == 1);
  CHECK(summary.classes == std::vector<std::pair<std::string, std::int64_t>>{{"0", 1}, {"1", 2}});
}

// ---- What was read is known again

TEST_CASE("H6: the fingerprint changes with any value, label or class, and with nothing else") {
  const TemporaryFolder folder;
  const auto fingerprint = [&](const Bytes& x, const std::vector<std::int64_t>& y) {
    write(folder / "x.npz", zip({{"x.npy", npy("'|u1'", "(3, 2)", x)}, {"y.npy", labels_of(y)}}));
    return load_path((folder / "x.npz").string()).fingerprint;
  };
  const std::string first = fingerprint({1, 2, 3, 4, 5, 6}, {0, 1, 0});
  CHECK(first.size() == 32);
  CHECK(fingerprint({1, 2, 3, 4, 5, 6}, {0, 1, 0}) == first);  // another time, another file
  CHECK(fingerprint({1, 2, 3, 4, 5, 7}, {0, 1, 0}) != first);
  CHECK(fingerprint({1, 2, 3, 4, 5, 6}, {0, 1, 1}) != first);
  write(folder / "moved.npz", zip({{"x.npy", npy("'|u1'", "(3, 2)", Bytes{1, 2, 3, 4, 5, 6}), true},
                                   {"y.npy", labels_of({0, 1, 0})}}));
  CHECK(load_path((folder / "moved.npz").string()).fingerprint == first);  // compressed, under another name
}

TEST_CASE("K7: a file that has not the SHA-256 of its description is not read") {
  const TemporaryFolder folder;
  write(folder / "x.npy", npy("'|u1'", "(3, 2)", Bytes{1, 2, 3, 4, 5, 6}));
  const auto described = [&](const std::string& digest) {
    write(folder / "d.toml", "x = \"x.npy\"\n[files.\"x.npy\"]\nsha256 = \"" + digest + "\"\n");
    return load_path((folder / "d.toml").string());
  };
  CHECK_THAT(refusal([&] { described(std::string(64, '0')); }),
             ContainsSubstring("x.npy: expected SHA-256 0000"));
  CHECK(described(base::sha256_file(folder / "x.npy")).train.size() == 3);
}

// ---- Compressed files

Bytes xz(const std::string& text) {
  Bytes bytes(text.size() + 1000);
  std::size_t size = 0;
  REQUIRE(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr,
                                  reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                  bytes.data(), &size, bytes.size()) == LZMA_OK);
  bytes.resize(size);
  return bytes;
}

Bytes bzip2(std::string text) {
  Bytes bytes(text.size() + 1000);
  auto size = static_cast<unsigned>(bytes.size());
  REQUIRE(BZ2_bzBuffToBuffCompress(reinterpret_cast<char*>(bytes.data()), &size, text.data(),
                                   static_cast<unsigned>(text.size()), 9, 0, 0) == BZ_OK);
  bytes.resize(size);
  return bytes;
}

Bytes zstandard(const std::string& text) {
  Bytes bytes(ZSTD_compressBound(text.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);  // as the program zstd does
  bytes.resize(ZSTD_compress2(context, bytes.data(), bytes.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return bytes;
}

TEST_CASE("T5: xz, bzip2 and Zstandard are read by their bytes, several streams too; damage is refused") {
  const TemporaryFolder folder;
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += std::to_string(i) + "," + std::to_string(i * 7 % 100) + "\n";
  const std::string half = lines.substr(0, lines.find('\n', lines.size() / 2) + 1),
                    rest = lines.substr(half.size());
  const at::Tensor expected = [&] {
    write(folder / "plain.csv", lines);
    return load_path((folder / "plain.csv").string()).train.stored();
  }();
  REQUIRE(expected.size(0) == 5000);
  const auto join = [](Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  for (const auto& [name, bytes] : {std::pair("x.csv.xz", join(xz(half), xz(rest))),
                                    std::pair("x.csv.bz2", join(bzip2(half), bzip2(rest))),
                                    std::pair("x.csv.zst", join(zstandard(half), zstandard(rest)))}) {
    write(folder / name, bytes);
    const std::string path = (folder / name).string();
    CHECK(load_path(path).train.stored().equal(expected));
    write(folder / name, std::span(bytes).first(bytes.size() - 9));
    CHECK_THAT(failure_of([&] { load_path(path); }), ContainsSubstring("cut short"));
    Bytes bad = bytes;
    for (std::size_t i = bad.size() / 3; i < bad.size() / 3 + 40; ++i) bad[i] ^= 0x5a;
    write(folder / name, bad);
    CHECK_THAT(failure_of([&] { load_path(path); }), ContainsSubstring("expected intact"));
  }
}

// ---- HDF5

class Hdf5File {
 public:
  explicit Hdf5File(const fs::path& path)
      : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)),
        properties_(H5Pcreate(H5P_DATASET_CREATE)) {}
  ~Hdf5File() {
    H5Pclose(properties_);
    H5Fclose(file_);
  }
  hid_t properties() const { return properties_; }
  hid_t create(const char* name, std::vector<hsize_t> shape, hid_t type) {
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t dataset = H5Dcreate2(file_, name, type, space, H5P_DEFAULT, properties_, H5P_DEFAULT);
    H5Sclose(space);
    return dataset;
  }

 private:
  hid_t file_, properties_;
};

TEST_CASE("H1: LZF is read, and other compression is named with HDF5_PLUGIN_PATH") {
  const TemporaryFolder folder;
  Bytes values(4000);  // two chunks: one that LZF packs, by hand, and one that was left as it is
  {
    Hdf5File file(folder / "x.h5");
    const hsize_t chunk = 2000;
    const unsigned size = 2000;
    H5Pset_chunk(file.properties(), 1, &chunk);
    const unsigned parameters[3] = {4, 0x105, size};
    H5Pset_filter(file.properties(), 32000, H5Z_FLAG_OPTIONAL, 3, parameters);
    const hid_t dataset = file.create("x", {4000}, H5T_STD_U8LE);
    REQUIRE(dataset >= 0);
    // LZF by its definition: a run of literals (length - 1, bytes), then a copy of 264 bytes at most from one byte back.
    Bytes packed{1, 42, 42};
    std::size_t filled = 2;
    while (filled < size) {
      const std::size_t length = std::min<std::size_t>(264, size - filled);
      REQUIRE(length >= 3);
      if (length >= 9) packed.insert(packed.end(), {0xe0, static_cast<std::uint8_t>(length - 9), 0});
      else packed.insert(packed.end(), {static_cast<std::uint8_t>((length - 2) << 5), 0});
      filled += length;
    }
    std::fill_n(values.begin(), size, std::uint8_t{42});
    const Bytes plain = ramp(2000);
    std::copy(plain.begin(), plain.end(), values.begin() + size);
    const hsize_t first = 0, second = 2000;
    REQUIRE(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, &first, packed.size(), packed.data()) >= 0);
    REQUIRE(H5Dwrite_chunk(dataset, H5P_DEFAULT, 1, &second, plain.size(), plain.data()) >= 0);
    H5Dclose(dataset);
  }
  CHECK(read_hdf5(folder / "x.h5", "/x").bytes == values);
  {
    Hdf5File file(folder / "b.h5");
    const hsize_t chunk = 10;
    H5Pset_chunk(file.properties(), 1, &chunk);
    H5Pset_filter(file.properties(), 32001, H5Z_FLAG_OPTIONAL, 0, nullptr);
    H5Dclose(file.create("x", {10}, H5T_STD_U8LE));
  }
  CHECK_THAT(
      refusal([&] { read_hdf5(folder / "b.h5", "/x"); }),
      ContainsSubstring("(HDF5 filter 32001), which the HDF5 library here lacks. Set HDF5_PLUGIN_PATH"));
}

TEST_CASE("H2: what was never written is the fill value, and said; what does not fit is refused") {
  const TemporaryFolder folder;
  {
    Hdf5File file(folder / "x.h5");
    const hsize_t chunk[2] = {1, 4}, shape[2] = {1, 4};
    const float fill = 2.5f;
    H5Pset_chunk(file.properties(), 2, chunk);
    H5Pset_fill_value(file.properties(), H5T_NATIVE_FLOAT, &fill);
    const hid_t dataset = file.create("x", {5000, 4}, H5T_IEEE_F32LE), space = H5Dget_space(dataset);
    const hid_t memory = H5Screate_simple(2, shape, nullptr);
    for (const hsize_t row : {3u, 10u}) {
      const hsize_t start[2] = {row, 0};
      const std::vector<float> values{1, 2, 3, static_cast<float>(row)};
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, shape, nullptr);
      H5Dwrite(dataset, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, values.data());
    }
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(dataset);
  }
  std::vector<std::string> notes;
  const std::vector<float> values = testing::values_of<float>(read_hdf5(folder / "x.h5", "/x", &notes));
  CHECK(values[4 * 10 + 3] == 10);
  CHECK(values[4 * 11] == 2.5f);
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0],
             ContainsSubstring(
                 "4998 of its 5000 chunks were never written; their elements are its fill value, 2.5."));
}

TEST_CASE(
    "virtual datasets are read when the description asks for it, and the files that they show must be there") {
  const TemporaryFolder folder;
  const Bytes pixels = ramp(20);
  {
    Hdf5File file(folder / "part.h5");
    const hid_t dataset = file.create("x", {20}, H5T_STD_U8LE);
    H5Dwrite(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, pixels.data());
    H5Dclose(dataset);
  }
  {
    Hdf5File file(folder / "whole.h5");
    const hsize_t size = 20;
    const hid_t space = H5Screate_simple(1, &size, nullptr);
    H5Pset_virtual(file.properties(), space, "part.h5", "/x", space);
    H5Sclose(space);
    H5Dclose(file.create("x", {20}, H5T_STD_U8LE));
  }
  CHECK_THAT(refusal([&] { read_hdf5(folder / "whole.h5", "/x"); }),
             ContainsSubstring(
                 "which shows rows of part.h5, another file; if that is meant, write other_files = true"));
  CHECK(read_hdf5(folder / "whole.h5", "/x", nullptr, {.other_files = true}).bytes == pixels);
  fs::remove(folder / "part.h5");
  CHECK_THAT(refusal([&] { read_hdf5(folder / "whole.h5", "/x", nullptr, {.other_files = true}); }),
             ContainsSubstring("which shows rows of part.h5; expected that file in"));
}

TEST_CASE("H4: a file that is being written is refused with the process that writes it") {
  const TemporaryFolder folder;
  {
    Hdf5File file(folder / "x.h5");
    const hid_t dataset = file.create("x", {3}, H5T_STD_U8LE);
    const Bytes values{1, 2, 3};
    H5Dwrite(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    H5Dclose(dataset);
  }
  const int descriptor = ::open((folder / "x.h5").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(::flock(descriptor, LOCK_EX | LOCK_NB) == 0);
  const std::string message = refusal([&] { read_hdf5(folder / "x.h5", "/x"); });
  CHECK_THAT(message, ContainsSubstring("another process has it open for writing"));
  CHECK_THAT(message, ContainsSubstring("HDF5_USE_FILE_LOCKING=FALSE"));
  if (fs::exists("/proc/locks"))
    CHECK_THAT(message, ContainsSubstring("(process " + std::to_string(::getpid())));
  ::setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1);  // the advice that the message gives
  CHECK(read_hdf5(folder / "x.h5", "/x").bytes == Bytes{1, 2, 3});
  ::unsetenv("HDF5_USE_FILE_LOCKING");
  ::close(descriptor);
}

TEST_CASE("HDF5 elements are the same whether they lie in the file as they are or have to be turned") {
  const TemporaryFolder folder;
  std::vector<float> values(3000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 7;
  {
    Hdf5File file(folder / "x.h5");
    for (const auto& [name, type] :
         {std::pair{"plain", H5T_IEEE_F32LE}, std::pair{"turned", H5T_IEEE_F32BE}}) {
      const hid_t dataset = file.create(name, {1000, 3}, type);
      REQUIRE(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
      H5Dclose(dataset);
    }
    H5Pset_chunk(file.properties(), 2, std::array<hsize_t, 2>{100, 2}.data());
    const hid_t dataset = file.create("chunks", {1000, 3}, H5T_IEEE_F32LE);
    REQUIRE(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
    H5Dclose(dataset);
  }
  for (const char* name : {"/plain", "/turned", "/chunks"}) {
    const Array array = read_hdf5(folder / "x.h5", name);
    CHECK(array.shape == std::vector<std::int64_t>{1000, 3});
    CHECK(testing::values_of<float>(array) == values);
  }
  {  // whose elements lie in another file, at another place
    Hdf5File file(folder / "link.h5");
    const hid_t dataset = file.create("before", {50}, H5T_IEEE_F32LE);
    H5Dclose(dataset);
  }
  const hid_t file = H5Fopen((folder / "link.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  REQUIRE(H5Lcreate_external("x.h5", "/plain", file, "x", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  H5Fclose(file);
  CHECK(testing::values_of<float>(read_hdf5(folder / "link.h5", "/x", nullptr, {.other_files = true})) ==
        values);
}

}  // namespace
}  // namespace field_files
}  // namespace variform::data
