// No file, whatever is in it, crashes the reader or is taken for a checkpoint that was never written.
#include <algorithm>
#include <array>
#include <fstream>
#include <random>
#include <span>

#include <hdf5.h>

#include "base/whole_file.h"
#include "checkpoint/seal.h"
#include "helpers.h"

using namespace checkpoint_test;  // NOLINT: a test's own helpers
namespace checkpoint = variform::checkpoint;

namespace {

using Bytes = std::vector<std::byte>;

void put(const fs::path& path, std::span<const std::byte> bytes) {
  fs::remove(path);  // truncating a file in place makes some file systems flush it
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

std::string reading(const fs::path& path) {
  return message_of([&] { checkpoint::read(path); });
}

void seal_again(Bytes& file, int format) {
  const std::span<const std::byte> body = std::span(file).subspan(checkpoint::kSealBytes);
  const auto seal = checkpoint::to_bytes(checkpoint::seal_of({&body, 1}, format));
  std::copy(seal.begin(), seal.end(), file.begin());
}

}  // namespace

TEST_CASE("3000 mutations: each is refused with an Error or reads as the original", "[checkpoint][damage]") {
  const Folder folder;
  const fs::path path = folder / "last.h5";
  const Snapshot original = sample();
  const Bytes good = checkpoint::compose_bytes(original);
  std::mt19937 random(20240229);
  const auto below = [&random](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  int refused = 0, other = 0;
  for (int i = 0; i < 3000; ++i) {
    Bytes bad = good;
    if (i % 4 == 0) bad.resize(below(bad.size()));
    const std::size_t flips = i % 4 == 0 ? 0 : i % 4 == 1 ? 1 : 1 + below(16);
    const std::size_t region =
        i % 3 == 0 ? checkpoint::kSealBytes : bad.size();  // the seal deserves its share
    for (std::size_t k = 0; k < flips; ++k) bad[below(region)] ^= static_cast<std::byte>(1 + below(255));
    put(path, bad);
    try {
      if (!same(checkpoint::read(path), original)) ++other;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(other == 0);
  CHECK(refused > 2900);  // two flips of one byte may undo each other
}

TEST_CASE("every single flipped byte is noticed", "[checkpoint][damage]") {
  Snapshot small;
  small.attributes["config"] = "seed = 1";
  small.tensors["model/encoder/parameters/w"] = pattern({3}, at::kFloat);
  Bytes file = checkpoint::compose_bytes(small);
  std::size_t unnoticed = 0;
  for (std::byte& byte : file) {
    byte ^= std::byte{0x10};
    if (message_of([&] { checkpoint::parse(file, "flip"); }).empty()) ++unnoticed;
    byte ^= std::byte{0x10};
  }
  CHECK(unnoticed == 0);
  CHECK(same(small, checkpoint::parse(file, "flip")));
}

TEST_CASE("truncated, lengthened and empty files say what they have and should have",
          "[checkpoint][damage]") {
  const Folder folder;
  const fs::path path = folder / "last.h5";
  Bytes file = checkpoint::compose_bytes(sample());
  const std::string size = std::to_string(file.size());
  put(path, std::span(file).first(file.size() - 1));
  CHECK(contains(reading(path),
                 "last.h5\" is a damaged checkpoint: it should have " + size + " bytes and has "));
  CHECK(contains(reading(path), "use another checkpoint of the run"));
  put(path, std::span(file).first(100));
  CHECK(contains(reading(path), "it ends within its first 512 bytes"));
  put(path, {});
  CHECK(contains(reading(path), "it is empty"));
  file.push_back(std::byte{0});
  put(path, file);
  CHECK(contains(reading(path), "it should have " + size + " bytes and has "));
  CHECK(contains(reading(folder / "none.h5"), "none.h5\" could not be read: No such file"));
  CHECK(contains(reading(folder.path()), "could not be read: Is a directory"));
}

TEST_CASE("a huge sparse file costs no memory", "[checkpoint][damage]") {
  const Folder folder;
  put(folder / "last.h5", checkpoint::compose_bytes(sample()));
  fs::resize_file(folder / "last.h5", std::uintmax_t{1} << 42);
  CHECK(contains(reading(folder / "last.h5"), "damaged"));
}

TEST_CASE("foreign files are told apart from damaged ones", "[checkpoint][damage]") {
  const Folder folder;
  const fs::path hdf5 = folder / "features.h5";
  const hid_t file = H5Fcreate(hdf5.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(file);
  CHECK(contains(reading(hdf5), "features.h5\" is not a Variform checkpoint"));
  CHECK(contains(reading(hdf5), "an HDF5 file without the seal"));
  std::ofstream(folder / "notes.txt") << "not a checkpoint at all";
  CHECK(contains(reading(folder / "notes.txt"), "is not a Variform checkpoint"));
  std::ofstream(folder / "long.txt") << std::string(10000, 'n');
  CHECK(contains(reading(folder / "long.txt"), "is not a Variform checkpoint"));
}

TEST_CASE("a newer format is refused by its number, whatever its content", "[checkpoint][damage]") {
  Bytes file = checkpoint::compose_bytes(sample());
  seal_again(file, checkpoint::kFormatVersion + 1);
  const std::string message = message_of([&] { checkpoint::parse(file, "future.h5"); });
  CHECK(contains(message,
                 "\"future.h5\" was written by a newer Variform: it has checkpoint format 2, this program "
                 "reads formats up to 1"));
  file.resize(checkpoint::kSealBytes);  // the seal alone suffices
  CHECK(contains(message_of([&] { checkpoint::parse(file, "future.h5"); }), "newer"));
}

// The seal of these is right; only the content checksum or the structure tells.
TEST_CASE("changes beneath a valid seal are noticed", "[checkpoint][damage]") {
  Snapshot snapshot;
  snapshot.attributes["config"] = "learning_rate = 0.001";
  snapshot.tensors["model/encoder/parameters/w"] = at::full({4}, 1.5f);
  const Bytes good = checkpoint::compose_bytes(snapshot);
  const auto replaced = [&good](std::string_view from, std::string_view to) {
    Bytes file = good;
    const auto bytes = std::as_bytes(std::span(from));
    const auto at =
        std::search(file.begin() + checkpoint::kSealBytes, file.end(), bytes.begin(), bytes.end());
    REQUIRE(at != file.end());
    std::ranges::copy(std::as_bytes(std::span(to)), at);
    seal_again(file, checkpoint::kFormatVersion);
    return message_of([&] { checkpoint::parse(file, "changed.h5"); });
  };
  CHECK(replaced("0.001", "0.001").empty());
  CHECK(contains(replaced("0.001", "0.002"), "its content does not have the SHA-256 that it states"));
  CHECK(contains(replaced("parameters", "paramfters"), "its content does not have"));
  const std::array<float, 2> before = {1.5f, 1.5f}, after = {1.5f, 2.5f};
  const auto text = [](const std::array<float, 2>& values) {
    return std::string_view(reinterpret_cast<const char*>(values.data()), sizeof values);
  };
  CHECK(contains(replaced(text(before), text(after)), "its content does not have"));
  CHECK(contains(replaced("content_sha256", "content_sha257"), "attribute \"content_sha256\" is missing"));
}

// HDF5 files that another program could make and seal.
TEST_CASE("links out of the file, compressed and foreign data are refused, not followed",
          "[checkpoint][damage]") {
  const Folder folder;
  const auto refusal = [&folder](const std::function<void(hid_t)>& fill) {
    const fs::path path = folder / "made.h5";
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    fill(file);
    H5Fclose(file);
    Bytes bytes(checkpoint::kSealBytes);
    base::read_file(path,
                    [&](std::span<const std::byte> b) { bytes.insert(bytes.end(), b.begin(), b.end()); });
    seal_again(bytes, checkpoint::kFormatVersion);
    return message_of([&] { checkpoint::parse(bytes, "made.h5"); });
  };
  CHECK(contains(refusal([](hid_t) {}), "attribute \"format_version\" is missing"));
  CHECK(contains(
      refusal([](hid_t f) { H5Lcreate_external("/etc/x", "/", f, "out", H5P_DEFAULT, H5P_DEFAULT); }),
      "\"out\" is a soft or external link"));
  CHECK(contains(refusal([](hid_t f) { H5Lcreate_hard(f, "/", f, "loop", H5P_DEFAULT, H5P_DEFAULT); }),
                 "too deep"));
  const auto dataset = [](hid_t type, bool chunked) {
    return [=](hid_t f) {
      const hsize_t shape[] = {1 << 20};
      const hid_t space = H5Screate_simple(1, shape, nullptr), creation = H5Pcreate(H5P_DATASET_CREATE);
      if (chunked) H5Pset_chunk(creation, 1, shape);
      if (chunked) H5Pset_deflate(creation, 9);
      H5Dclose(H5Dcreate2(f, "data", type, space, H5P_DEFAULT, creation, H5P_DEFAULT));
      H5Pclose(creation);
      H5Sclose(space);
    };
  };
  CHECK(contains(refusal(dataset(H5T_IEEE_F32LE, true)), "tensor \"data\" is chunked"));
  CHECK(contains(refusal(dataset(H5T_IEEE_F32LE, false)), "tensor \"data\" is bigger than its data"));
  CHECK(contains(refusal(dataset(H5T_IEEE_F32BE, false)), "has a type that checkpoints do not have"));
  CHECK(contains(refusal(dataset(H5T_STD_U16LE, false)), "has a type that checkpoints do not have"));
}
