// Files that were made to fill the memory, to break a library, or to lead elsewhere: tables B and S8 of the field cases.

#include <fcntl.h>
#include <hdf5.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>

#include <ATen/ATen.h>

#include "base/interrupt.h"
#include "catch.h"
#include "checkpoint/seal.h"
#include "checkpoint/snapshot.h"
#include "data/readers/cifar10.h"
#include "data/readers/csv.h"
#include "data/readers/hdf5.h"
#include "data/readers/idx.h"
#include "data/readers/images.h"
#include "data/readers/npy.h"
#include "data/support.h"

namespace variform::data {
namespace field_hostile {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::idx;
using testing::npy;
using testing::ramp;
using testing::refusal;
using testing::TemporaryFolder;
using testing::write;
using testing::zip;
using variform::testing::ContainsSubstring;
namespace fs = std::filesystem;

/// `n` zeros behind `head`, compressed by deflate in one piece: gzip (window bits 31) or raw (-15).
Bytes deflated(const Bytes& head, std::uint64_t n, int window_bits) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes packed;
  const Bytes zeros(1 << 20);
  const auto feed = [&](const std::uint8_t* from, std::size_t size, int flush) {
    stream.next_in = const_cast<std::uint8_t*>(from);
    stream.avail_in = static_cast<unsigned>(size);
    do {
      Bytes out(1 << 16);
      stream.next_out = out.data();
      stream.avail_out = static_cast<unsigned>(out.size());
      deflate(&stream, flush);
      packed.insert(packed.end(), out.begin(), out.end() - static_cast<std::ptrdiff_t>(stream.avail_out));
    } while (stream.avail_out == 0);
  };
  feed(head.data(), head.size(), Z_NO_FLUSH);
  for (std::uint64_t done = 0; done < n; done += zeros.size())
    feed(zeros.data(), static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), n - done)), Z_NO_FLUSH);
  feed(nullptr, 0, Z_FINISH);
  deflateEnd(&stream);
  return packed;
}

/// A dataset of zeros in chunks, each stored by itself as deflate makes it.
fs::path write_chunked(const fs::path& path, hsize_t rows, hsize_t width, hsize_t chunk_rows) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t shape[2] = {rows, width}, chunk[2] = {chunk_rows, width};
  const hid_t space = H5Screate_simple(2, shape, nullptr), properties = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(properties, 2, chunk);
  H5Pset_deflate(properties, 9);
  const hid_t dataset = H5Dcreate2(file, "x", H5T_STD_U8LE, space, H5P_DEFAULT, properties, H5P_DEFAULT);
  const Bytes packed = deflated({}, chunk_rows * width, 15);
  for (hsize_t row = 0; row < rows; row += chunk_rows) {
    const hsize_t start[2] = {row, 0};
    REQUIRE(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, start, packed.size(), packed.data()) >= 0);
  }
  H5Dclose(dataset);
  H5Pclose(properties);
  H5Sclose(space);
  H5Fclose(file);
  return path;
}

TEST_CASE(
    "B2, B3: what becomes far more than it is, is refused before memory is taken, with the key that allows "
    "it") {
  const TemporaryFolder folder;
  constexpr std::uint64_t kHuge = 1'000'000'000;
  const auto refused = [](const std::string& message) {
    CHECK_THAT(message, ContainsSubstring(" become 1.00 GB, more than 250 times as much"));
    CHECK_THAT(message, ContainsSubstring("--memory 2 or the config's data.memory = 2 (in GB) allows it"));
  };
  Bytes header = npy("'|u1'", "(1000000, 1000)", {});
  const auto npy_gz = write(folder / "x.npy.gz", deflated(header, kHuge, 31));
  refused(refusal([&] { read_npy(npy_gz); }));
  const auto idx_gz = write(folder / "x-idx.gz", deflated(idx(8, {1000000, 1000}, {}), kHuge, 31));
  refused(refusal([&] { read_idx(idx_gz); }));
  const auto h5 = write_chunked(folder / "x.h5", 1000000, 1000, 100000);
  const std::string message = refusal([&] { read_hdf5(h5, "/x"); });
  refused(message);
  CHECK_THAT(message, ContainsSubstring("x.h5 (dataset /x): "));
  // Asked for, the bound is the number that was given.
  CHECK_THAT(refusal([&] { read_npy(npy_gz, {.memory = 900'000'000, .is_given = true}); }),
             ContainsSubstring(
                 "it needs 1.00 GB of memory, and what is read may take 900 MB (--memory, data.memory)"));
}

TEST_CASE("formats without a header are refused when they have grown too far") {
  const TemporaryFolder folder;
  Bytes line(1 << 16);
  for (std::size_t i = 0; i < line.size(); i += 2)
    line[i] = '0', line[i + 1] = i + 2 == line.size() ? '\n' : ',';
  Bytes text;
  for (int i = 0; i < 1024; ++i) text.insert(text.end(), line.begin(), line.end());
  Bytes packed(ZSTD_compressBound(text.size()));
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  Bytes all;
  for (int i = 0; i < 8; ++i) all.insert(all.end(), packed.begin(), packed.end());
  const auto csv = write(folder / "x.csv.zst", all);
  CHECK_THAT(refusal([&] { read_csv(csv); }),
             ContainsSubstring("times as much, as in a file that was made to fill"));
  const auto cifar = write(folder / "x.bin.gz", deflated({}, 3073 * 100'000, 31));
  CHECK_THAT(refusal([&] { read_cifar10(cifar); }),
             ContainsSubstring("times as much, as in a file that was made to"));
}

TEST_CASE("all that a data set reads together stays within the bounds") {
  const TemporaryFolder folder;
  const auto path = write(folder / "x.npy", npy("'|u1'", "(20000, 1000)", Bytes(20'000'000)));
  CHECK(read_npy(path, {.memory = 21'000'000, .is_given = true}).rows() == 20000);
  CHECK_THAT(
      refusal([&] { read_npy(path, {.memory = 19'000'000, .is_given = true}); }),
      ContainsSubstring("it needs 20 MB of memory, and what is read may take 19 MB (--memory, data.memory)"));
  const auto half = write(folder / "h.npy", npy("'<f2'", "(20000, 500)", Bytes(20'000'000)));
  CHECK_THAT(
      refusal([&] { read_npy(half, {.memory = 50'000'000, .is_given = true}); }),
      ContainsSubstring("it needs 60 MB of memory"));  // 2 bytes each as they are stored, 4 as they are used
}

TEST_CASE("B1: an image is bounded by its header, and scans without end are not followed") {
  const TemporaryFolder folder;
  Bytes png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  const auto chunk = [&](const char* type, const Bytes& content) {
    testing::add_number(png, content.size(), 4, true);
    Bytes checked(type, type + 4);
    checked.insert(checked.end(), content.begin(), content.end());
    png.insert(png.end(), checked.begin(), checked.end());
    testing::add_number(png, crc32(0, checked.data(), static_cast<unsigned>(checked.size())), 4, true);
  };
  Bytes head;
  for (const int side : {11000, 11000}) testing::add_number(head, static_cast<std::uint64_t>(side), 4, true);
  head.insert(head.end(), {8, 2, 0, 0, 0});  // 8 bits, colour
  chunk("IHDR", head);
  chunk("IDAT", deflated({}, 11000u * 33001u, 15));
  chunk("IEND", {});
  const auto path = write(folder / "x.png", png);
  ImageReader reader;
  CHECK_THAT(refusal([&] { reader.open(path); }), ContainsSubstring("x.png (11000 x 11000 pixels): "));
}

TEST_CASE("S8: links to other files and values that lie in them are followed only if that is asked for") {
  const TemporaryFolder folder;
  write_chunked(folder / "other.h5", 10, 4, 5);
  {
    const hid_t file = H5Fcreate((folder / "ext.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/x", file, "x", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/", group, "inside", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/x", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(properties, "raw.bin", 0, 12);
    const hsize_t shape[2] = {3, 4};
    const hid_t space = H5Screate_simple(2, shape, nullptr);
    H5Dclose(H5Dcreate2(file, "raw", H5T_STD_U8LE, space, H5P_DEFAULT, properties, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(properties);
    H5Fclose(file);
  }
  write(folder / "raw.bin", ramp(12));
  for (const char* inside : {"/x", "/soft", "/g/inside/x"}) {
    INFO(inside);
    CHECK_THAT(refusal([&] { read_hdf5(folder / "ext.h5", inside); }),
               ContainsSubstring("is a link to another file, other.h5"));
    CHECK(read_hdf5(folder / "ext.h5", inside, nullptr, {.other_files = true}).bytes == Bytes(40));
  }
  CHECK_THAT(refusal([&] { read_hdf5(folder / "ext.h5", "/raw"); }),
             ContainsSubstring(
                 "its values lie in another file, raw.bin; if that is meant, write other_files = true"));
}

TEST_CASE("reading ends when a signal came") {
  const TemporaryFolder folder;
  const auto path = write(folder / "x.npy", npy("'|u1'", "(20, 10)", Bytes(200)));
  const auto h5 = write_chunked(folder / "x.h5", 10, 4, 5);
  std::atomic<int>& flag = base::interrupt_flag();
  flag = 1;
  CHECK_THROWS_AS(read_npy(path), base::Interrupted);
  CHECK_THROWS_AS(read_hdf5(h5, "/x"), base::Interrupted);
  flag = 0;
  CHECK(read_hdf5(h5, "/x").bytes == Bytes(40));
}

/// The bytes of a checkpoint with some of its body changed and a seal that fits them.
std::vector<std::byte> resealed(std::vector<std::byte> file, std::mt19937& random) {
  const auto body = std::span(file).subspan(checkpoint::kSealBytes);
  const auto place = [&](std::size_t bound) { return random() % bound; };
  for (int changes = 1 + static_cast<int>(place(4)); changes > 0; --changes)
    body[place(std::min<std::size_t>(body.size(), 4096))] = static_cast<std::byte>(random());
  const std::span<const std::byte> all = body;
  const auto seal = checkpoint::to_bytes(checkpoint::seal_of(std::span(&all, 1), checkpoint::kFormatVersion));
  std::copy(seal.begin(), seal.end(), file.begin());
  return file;
}

TEST_CASE(
    "B4: a checkpoint with changed bytes and a new seal is read or refused, whatever libhdf5 makes of it") {
  checkpoint::Snapshot snapshot;
  snapshot.attributes["config"] = "seed = 1\n";
  for (const char* name : {"model/a/w", "model/a/b", "optimizer/w"})
    snapshot.tensors[name] = at::arange(12, at::kFloat).reshape({3, 4});
  const std::vector<std::byte> good = checkpoint::compose_bytes(snapshot);
  CHECK(checkpoint::parse(good, "x").tensors.at("model/a/b").equal(snapshot.tensors.at("model/a/b")));
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    const std::vector<std::byte> bad = resealed(good, random);
    try {
      checkpoint::parse(bad, "x.ckpt");
    } catch (const base::Error& error) {
      CHECK_THAT(error.what(), ContainsSubstring("x.ckpt"));
    }
  }
}

TEST_CASE("an HDF5 file with changed bytes is read or refused, whatever libhdf5 makes of it") {
  const TemporaryFolder folder;
  const Bytes good = testing::read(write_chunked(folder / "x.h5", 100, 8, 10));
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    Bytes bad = good;
    for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes)
      bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
    const auto path = write(folder / "bad.h5", bad);
    try {
      read_hdf5(path, "/x");
      hdf5_entries(path);
    } catch (const ReadError& error) {
      CHECK_THAT(error.what(), ContainsSubstring("bad.h5"));
    }
  }
}

}  // namespace
}  // namespace field_hostile
}  // namespace variform::data
