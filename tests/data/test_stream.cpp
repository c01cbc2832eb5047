// Data that stay in their file: every number is that of the same data in memory, no copy of them is made, and a file that
// does not allow it is refused before anything is read.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>

#include "base/mapped.h"
#include "config/load.h"
#include "data/dataset.h"
#include "data/summary.h"
#include "support.h"

namespace {

using namespace variform::data;
using namespace variform::data::testing;
namespace base = variform::base;
namespace config = variform::config;
namespace fs = std::filesystem;
using variform::testing::ContainsSubstring;

Bytes floats(std::int64_t n) {
  Bytes bytes(static_cast<std::size_t>(n) * sizeof(float));
  for (std::int64_t i = 0; i < n; ++i) {
    const auto value = static_cast<float>((i * 7919) % 1000) / 1000;
    std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(float), &value, sizeof value);
  }
  return bytes;
}

struct Files {
  TemporaryFolder folder;
  Files() {
    Bytes labels;
    for (std::uint64_t i = 0; i < 600; ++i) add_number(labels, i % 3, 8);
    write(folder / "x.npy", npy("'<f4'", "(600, 3, 8, 8)", floats(600 * 3 * 64)));
    write(folder / "y.npy", npy("'<i8'", "(600,)", labels));
  }
};

Splits loaded(const std::string& dataset, const std::string& more = "") {
  config::Diagnostics diagnostics;
  const config::Node root =
      config::parse("[data]\ndataset = " + dataset + "\n" + more + "\n", "test", diagnostics);
  const config::DataSpec spec = config::parse_data(root, diagnostics);
  diagnostics.throw_if_any();
  return load(spec, {}, {}, 3, at::kCPU, at::kFloat);
}

std::string dataset_in(const Files& files, const std::string& keys = "") {
  return "{ folder = \"" + files.folder.path().string() + "\", x = \"x.npy\", labels = \"y.npy\"" + keys +
         " }";
}

std::string refused(const std::string& dataset, const std::string& more) {
  try {
    loaded(dataset, "stream = true\n" + more);
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

void check_same(const Dataset& streamed, const Dataset& stored) {
  REQUIRE(streamed.size() == stored.size());
  CHECK(streamed.is_in_place());
  CHECK_FALSE(stored.is_in_place());
  CHECK(streamed.domain() == stored.domain());
  if (stored.labels().defined()) CHECK(at::equal(streamed.labels(), stored.labels()));
  const at::Tensor all = at::arange(stored.size(), at::kLong);
  CHECK(at::equal(streamed.gather(all), stored.gather(all)));
  const at::Tensor some = at::tensor({5, 2, 2, 17}, at::kLong);
  streamed.foresee(some);
  CHECK(at::equal(streamed.gather(some), stored.gather(some)));
  const SplitSummary a = summarise(streamed, "a"), b = summarise(stored, "b");
  CHECK(a.mean == b.mean);
  CHECK(a.sd == b.sd);
  CHECK(a.constants == b.constants);
}

TEST_CASE("what stays in its file is the same data") {
  const Files files;
  for (const char* keys : {"", ", rows = [50, 400]", ", shuffle = 4", ", shuffle = 4, rows = [10, 500]",
                           ", domain = \"unit interval\""})
    for (const char* more :
         {"", "test = 0.25", "validation = 40\nlimit = 100", "scale = \"standardise\"",
          "channels = \"colour\"", "test = 30\nscale = \"standardise\"\nvalidation = 20"}) {
      CAPTURE(keys, more);
      const std::string dataset = dataset_in(files, keys);
      const Splits streamed = loaded(dataset, std::string("stream = true\n") + more),
                   stored = loaded(dataset, more);
      check_same(streamed.train, stored.train);
      check_same(streamed.test, stored.test);
      if (stored.validation.size() > 0) check_same(streamed.validation, stored.validation);
      CHECK(streamed.fingerprint == stored.fingerprint);
      CHECK(streamed.test.is_same_as(streamed.train) == stored.test.is_same_as(stored.train));
    }
}

TEST_CASE("bytes in an idx file can be dequantised and binarised in place") {
  const TemporaryFolder folder;
  const std::string dataset =
      "{ x = \"" + write(folder / "a-idx3-ubyte", idx(0x08, {200, 6, 6}, ramp(200 * 36))).string() + "\" }";
  check_same(loaded(dataset, "stream = true").train, loaded(dataset).train);
  for (const char* noisy : {"dequantise = true", "binarise = \"dynamic\""}) {
    const Dataset streamed = loaded(dataset, std::string("stream = true\n") + noisy).train,
                  stored = loaded(dataset, noisy).train;
    at::Generator one = at::detail::createCPUGenerator(5), other = at::detail::createCPUGenerator(5);
    const at::Tensor index = at::tensor({3, 199, 0}, at::kLong);
    CHECK(at::equal(streamed.gather(index, &one), stored.gather(index, &other)));
  }
}

// Kilobytes of a file's mappings that this process holds in memory; -1: it has none.
long resident(const std::string& file) {
  std::ifstream maps("/proc/self/smaps");
  long total = -1;
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long kilobytes = 0;
    if (line.find('-') < line.find(' ')) here = line.ends_with(file);  // "55a0-55b0 r--s … /path"
    else if (here && std::sscanf(line.c_str(), "Rss: %lu kB", &kilobytes) == 1)
      total = std::max(total, 0L) + static_cast<long>(kilobytes);
  }
  return total;
}

TEST_CASE("the memory behind a part of a file can be let go of") {
  const TemporaryFolder folder;
  write(folder / "part.bin", ramp(200'000));
  const base::Room room = base::mapped_room(folder / "part.bin", 5000, 190'000);
  const auto sum = [&] {
    std::int64_t total = 0;
    for (std::size_t i = 0; i < room.size; ++i) total += static_cast<std::int64_t>(room.bytes.get()[i]);
    return total;
  };
  const std::int64_t before = sum();
  CHECK(std::to_integer<int>(room.bytes.get()[0]) == 5000 % 251);
  CHECK(resident("part.bin") >= 180);
  base::forget(room.bytes.get(), room.size);
  CHECK(resident("part.bin") == 0);
  CHECK(sum() == before);
  CHECK_THROWS_AS(base::mapped_room(folder / "part.bin", 5000, 195'001), std::system_error);
}

TEST_CASE("no step of loading keeps the file in memory") {
  const TemporaryFolder folder;
  write(folder / "large.npy", npy("'<f4'", "(1000, 3, 32, 32)", floats(1000 * 3 * 1024)));
  const Splits splits =
      loaded("{ x = \"" + (folder / "large.npy").string() + "\" }", "stream = true\nscale = \"standardise\"");
  splits.train.gather(at::arange(10, at::kLong));
  CHECK(resident("large.npy") >= 0);
  CHECK(resident("large.npy") < 1000);  // of 12,000
}

TEST_CASE("what cannot stay in its file is refused with the way out") {
  const Files files;
  const fs::path folder = files.folder.path();
  const auto named = [&](const std::string& file) { return "{ x = \"" + (folder / file).string() + "\" }"; };
  write(folder / "x.npy.gz", gzip(read(folder / "x.npy")));
  write(folder / "big.npy", npy("'>f4'", "(10, 4)", floats(40)));
  write(folder / "half.npy", npy("'<f2'", "(10, 4)", Bytes(80)));
  write(folder / "fortran.npy", npy("'<f4'", "(10, 4)", floats(40), true));
  write(folder / "last.npy", npy("'<f4'", "(10, 8, 8, 3)", floats(1920)));
  write(folder / "table.csv", "a,b\n1,2\n3,4\n");
  write(folder / "cut.npy", npy("'<f4'", "(10, 400)", floats(40)));
  CHECK_THAT(refused(named("x.npy.gz"), ""), ContainsSubstring("found a compressed file; in Python:"));
  CHECK_THAT(refused(named("big.npy"), ""), ContainsSubstring("found values in the other byte order"));
  CHECK_THAT(refused(named("half.npy"), ""), ContainsSubstring("found values of another type than are used"));
  CHECK_THAT(refused(named("fortran.npy"), ""), ContainsSubstring("Fortran order"));
  CHECK_THAT(refused(named("last.npy"), ""), ContainsSubstring("store the channels first"));
  CHECK_THAT(refused(named("table.csv"), ""),
             ContainsSubstring("found the format csv; write them into an npy or HDF5"));
  CHECK_THAT(refused(named("cut.npy"), ""), ContainsSubstring("found fewer; the file is truncated"));
  CHECK_THAT(
      refused("{ x = [\"" + (folder / "x.npy").string() + "\", \"" + (folder / "x.npy").string() + "\"] }",
              ""),
      ContainsSubstring("needs all values in one file"));
  const std::string good = dataset_in(files);
  CHECK_THAT(refused(good, "binarise = \"static\""), ContainsSubstring("write binarise = \"dynamic\""));
  CHECK_THAT(refused(good, "channels = \"grey\""), ContainsSubstring("store the images with one channel"));
  CHECK_THAT(refused(good, "missing = \"mask\""), ContainsSubstring("leave out one of them"));
}

TEST_CASE("values in place are checked as others are") {
  const TemporaryFolder folder;
  Bytes values = floats(40);
  const float bad = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(values.data() + 4 * 22, &bad, sizeof bad);
  const std::string dataset =
      "{ x = \"" + write(folder / "x.npy", npy("'<f4'", "(10, 4)", values)).string() + "\"";
  CHECK_THAT(refused(dataset + " }", ""),
             ContainsSubstring("in row 5 (from 0) and perhaps in rows behind it"));
  CHECK(refused(dataset + ", rows = [6, 10] }", "").empty());
}

}  // namespace
