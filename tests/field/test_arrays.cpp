// Arrays as people have them: other orders and types, files whose suffix says nothing, and formats that are not read,
// which are named for what they are.

#include <hdf5.h>

#include <ATen/ATen.h>

#include <bit>

#include "catch.h"
#include "config/load.h"
#include "data/dataset.h"
#include "data/readers/hdf5.h"
#include "data/readers/npy.h"
#include "data/support.h"

namespace variform::data {
namespace {

using testing::bytes_of;
using testing::npy;
using testing::TemporaryFolder;
using testing::values_of;
using testing::write;
using variform::testing::ContainsSubstring;
namespace fs = std::filesystem;

std::string failure(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  FAIL("expected an error, found none");
  return {};
}

Splits load_as(const TemporaryFolder& folder, const std::string& description) {
  config::Diagnostics diagnostics;
  config::DataSpec spec;
  spec.dataset = config::parse(description, "d.toml", diagnostics);
  diagnostics.throw_if_any();
  return load(spec, {folder.path()}, {}, 1, at::kCPU, at::kFloat);
}

// A MATLAB 7.3 file: HDF5 behind 512 bytes of text, dimensions in reverse.
void write_matlab(const fs::path& path, const std::vector<std::uint64_t>& values,
                  std::vector<hsize_t> shape) {
  const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_userblock(creation, 512);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t set = H5Dcreate2(file, "/X", H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(H5Dwrite(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
  H5Dclose(set);
  H5Sclose(space);
  H5Fclose(file);
  H5Pclose(creation);
}

TEST_CASE("H3: a MATLAB 7.3 file is known by its bytes, unsigned numbers are read where they fit") {
  const TemporaryFolder folder;
  write_matlab(folder / "faces.mat", {1, 2, 3, 4, 5, 6}, {3, 2});
  const Splits splits = load_as(folder, "x = \"faces.mat:/X\"");
  CHECK(splits.train.gather(at::arange(3)).equal(at::tensor({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}).reshape({3, 2})));
  REQUIRE(splits.notes.size() == 2);
  CHECK_THAT(splits.notes[0], ContainsSubstring("MATLAB stores dimensions in reverse"));
  write_matlab(folder / "large.mat", {1, std::uint64_t{1} << 63}, {2, 1});
  CHECK_THAT(
      failure([&] { load_as(folder, "x = \"large.mat:/X\""); }),
      ContainsSubstring("large.mat (dataset /X): expected integers below 2^63, found 9223372036854775808."));
}

TEST_CASE("H5: arrays in Fortran's order and of every usual type are read") {
  const TemporaryFolder folder;
  const auto read = [&](const testing::Bytes& bytes) { return read_npy(write(folder / "x.npy", bytes)); };
  // [[0, 1, 2], [3, 4, 5]] column by column
  const Array turned =
      read(npy("'<i4'", "(2, 3)", bytes_of(std::vector<std::int32_t>{0, 3, 1, 4, 2, 5}), true));
  CHECK(values_of<std::int32_t>(turned) == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5});
  const Array cube = read(npy("'<f8'", "(2, 1, 2)", bytes_of(std::vector<double>{0, 2, 1, 3}), true));
  CHECK(values_of<double>(cube) == std::vector<double>{0, 1, 2, 3});
  CHECK(values_of<std::int32_t>(read(npy("'|i1'", "(2,)", bytes_of(std::vector<std::int8_t>{-1, 5})))) ==
        std::vector<std::int32_t>{-1, 5});
  CHECK(values_of<std::int32_t>(read(npy("'<i2'", "(2,)", bytes_of(std::vector<std::int16_t>{-300, 5})))) ==
        std::vector<std::int32_t>{-300, 5});
  CHECK(values_of<std::int32_t>(read(npy("'>u2'", "(1,)", testing::Bytes{0xff, 0xfe}))) ==
        std::vector<std::int32_t>{65534});
  CHECK(values_of<std::int64_t>(
            read(npy("'<u4'", "(1,)", bytes_of(std::vector<std::uint32_t>{4294967295u})))) ==
        std::vector<std::int64_t>{4294967295});
  CHECK(values_of<std::int64_t>(read(npy("'<u8'", "(1,)", bytes_of(std::vector<std::uint64_t>{7})))) ==
        std::vector<std::int64_t>{7});
  CHECK_THAT(
      failure([&] { read(npy("'<u8'", "(1,)", bytes_of(std::vector<std::uint64_t>{~std::uint64_t{0}}))); }),
      ContainsSubstring("expected integers below 2^63, found 18446744073709551615"));
  // Every half-precision number, against LibTorch's own conversion.
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  const std::vector<float> floats = values_of<float>(read(npy("'<f2'", "(65536,)", bytes_of(halves))));
  const at::Tensor expected = at::from_blob(halves.data(), {65536}, at::kHalf).to(at::kFloat);
  const at::Tensor found = at::from_blob(const_cast<float*>(floats.data()), {65536}, at::kFloat);
  CHECK(at::allclose(found, expected, 0, 0, /*equal_nan=*/true));
}

TEST_CASE(
    "what a file is does not depend on its suffix alone, and what is not read is named, with a way out") {
  const TemporaryFolder folder;
  write(folder / "array.dat", npy("'<f4'", "(2, 2)", bytes_of(std::vector<float>{1, 2, 3, 4})));
  CHECK(load_as(folder, "x = \"array.dat\"").train.size() == 2);
  const auto refusal = [&](const std::string& name, const std::string& bytes) {
    write(folder / name, bytes);
    return failure([&] { load_as(folder, "x = \"" + name + "\""); });
  };
  CHECK_THAT(
      refusal("t.parquet", "PAR1xxxxPAR1"),
      ContainsSubstring("t.parquet: it is a Parquet table, which is not read; in Python: import pandas; "
                        "pandas.read_parquet(\"t.parquet\").to_csv(\"t.csv\", index=False)"));
  CHECK_THAT(refusal("t.csv", "PAR1xxxxPAR1"), ContainsSubstring("it is a Parquet table"));
  CHECK_THAT(refusal("old.mat", "MATLAB 5.0 MAT-file, Platform"),
             ContainsSubstring("scipy.io.loadmat(\"old.mat\")"));
  CHECK_THAT(refusal("book.xlsx", "PK\x03\x04"), ContainsSubstring("a spreadsheet"));
  CHECK_THAT(refusal("x.pkl", "\x80\x04"), ContainsSubstring("could execute anything"));
}

}  // namespace
}  // namespace variform::data
