// A snapshot comes back bit for bit, as the same bytes each time, readable with h5py; what does not fit is
// refused.
#include <cstdint>
#include <fstream>
#include <limits>

#include "base/whole_file.h"
#include "helpers.h"

using namespace checkpoint_test;  // NOLINT: a test's own helpers
namespace checkpoint = variform::checkpoint;

TEST_CASE("every type, scalar and empty tensors and all texts come back bit for bit",
          "[checkpoint][snapshot]") {
  const Folder folder;
  const Snapshot written = sample();
  checkpoint::write(written, folder / "last.h5");
  const Snapshot read = checkpoint::read(folder / "last.h5");
  CHECK(same(written, read));
  CHECK(read.tensors.size() == 4 * types().size() + 1);
  CHECK(same(Snapshot(), checkpoint::parse(checkpoint::compose_bytes(Snapshot()), "empty")));
}

TEST_CASE("NaN payloads, infinities and negative zero keep their bits", "[checkpoint][snapshot]") {
  Snapshot snapshot;
  snapshot.tensors["model/decoder/parameters/w"] =
      at::tensor({0.0, -0.0, std::numeric_limits<double>::infinity(),
                  std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::denorm_min()});
  CHECK(same(snapshot, checkpoint::parse(checkpoint::compose_bytes(snapshot), "bits")));
}

TEST_CASE("tensors that are views, need gradients or are not contiguous are stored by value",
          "[checkpoint][snapshot]") {
  const at::Tensor base = pattern({4, 6}, at::kInt).to(at::kFloat);
  Snapshot snapshot;
  snapshot.tensors["a/transposed"] = base.t();
  snapshot.tensors["a/slice"] = base.slice(1, 1, 6, 2);
  snapshot.tensors["a/expanded"] = base.select(0, 1).expand({3, 6});
  snapshot.tensors["a/leaf"] = base.clone().set_requires_grad(true);
  const Snapshot read = checkpoint::parse(checkpoint::compose_bytes(snapshot), "views");
  CHECK(same(snapshot, read));
  CHECK_FALSE(read.tensors.at("a/leaf").requires_grad());
  CHECK(read.tensors.at("a/transposed").is_contiguous());
}

TEST_CASE("the same snapshot gives the same bytes, another one does not", "[checkpoint][snapshot]") {
  const std::vector<std::byte> once = checkpoint::compose_bytes(sample());
  ::sleep(1);  // HDF5 keeps times in seconds, if it keeps any
  CHECK((once == checkpoint::compose_bytes(sample())));
  CHECK((once != checkpoint::compose_bytes(sample(2))));
}

TEST_CASE("texts longer than HDF5's 64 KB header limit, and many of them", "[checkpoint][snapshot]") {
  Snapshot snapshot = sample();
  snapshot.attributes["config"] = std::string(1 << 20, 'c') + "end";
  for (int i = 0; i < 300; ++i) snapshot.attributes["plugin " + std::to_string(i)] = std::string(1000, 'p');
  for (int i = 0; i < 1000; ++i)
    snapshot.tensors["model/encoder/parameters/p" + std::to_string(i)] = at::ones({2});
  CHECK(same(snapshot, checkpoint::parse(checkpoint::compose_bytes(snapshot), "long")));
}

TEST_CASE("what the format cannot hold is refused with its name", "[checkpoint][snapshot]") {
  const auto refusal = [](const std::string& path, const at::Tensor& tensor, const std::string& attribute) {
    Snapshot snapshot;
    snapshot.tensors["model/a"] = at::ones({1});
    snapshot.tensors[path] = tensor;
    if (!attribute.empty()) snapshot.attributes[attribute] = "x";
    return message_of([&] { checkpoint::compose_bytes(snapshot); });
  };
  const at::Tensor one = at::ones({1});
  CHECK(refusal("fine", one, "fine").empty());
  CHECK(contains(refusal("model//b", one, ""), "\"model//b\" has an empty"));
  CHECK(contains(refusal("model/b/", one, ""), "\"model/b/\" has an empty"));
  CHECK(contains(refusal("", one, ""), "\"\" has an empty"));
  CHECK(contains(refusal("model/./b", one, ""), "\"model/./b\""));
  CHECK(contains(refusal("model/a/b", one, ""), "\"model/a\" is a tensor and also the folder"));
  CHECK(contains(refusal("model/\nb", one, ""), "control characters"));
  CHECK(contains(refusal("b", at::Tensor(), ""), "\"b\" is undefined"));
  CHECK(contains(refusal("b", one.to(at::kHalf), ""), "tensor \"b\" has type CPUHalfType, expected"));
  CHECK(contains(refusal("b", one, "content_sha256"), "reserved"));
  CHECK(contains(refusal("b", one, "a/b"), "\"a/b\""));
  Snapshot zero_byte;
  zero_byte.attributes["config"] = std::string("a\0b", 3);
  CHECK(
      contains(message_of([&] { checkpoint::compose_bytes(zero_byte); }), "\"config\" contains a zero byte"));
}

TEST_CASE("compare tells everything at once", "[checkpoint][snapshot]") {
  Snapshot snapshot;
  snapshot.tensors["model/encoder/parameters/a"] = at::ones({2, 3});
  snapshot.tensors["model/encoder/parameters/b"] = at::ones({4});
  snapshot.tensors["model/encoder/parameters/old"] = at::ones({}, at::kLong);
  snapshot.tensors["model/decoder/parameters/other"] = at::ones({1});
  const std::string prefix = "model/encoder/parameters/";
  CHECK(checkpoint::compare({{"a", {{2, 3}, at::kFloat}}, {"b", {{4}, at::kFloat}}, {"old", {{}, at::kLong}}},
                            snapshot, prefix)
            .empty());
  CHECK(
      checkpoint::compare({{"a", {{3, 2}, at::kFloat}}, {"b", {{4}, at::kDouble}}, {"c", {{1}, at::kFloat}}},
                          snapshot, prefix) ==
      "missing: c [1] float32; unexpected: old [] int64; different: a is [2, 3] float32, expected [3, 2] "
      "float32, b is [4] float32, expected [4] float64");
}

TEST_CASE("older formats go through every step up to the present one", "[checkpoint][snapshot]") {
  CHECK(checkpoint::upgrades().size() == checkpoint::kFormatVersion - 1);
  const checkpoint::Upgrades steps = {{1, [](Snapshot& s) { s.attributes["seen"] += "1"; }},
                                      {2, [](Snapshot& s) { s.attributes["seen"] += "2"; }}};
  Snapshot snapshot;
  checkpoint::upgrade(snapshot, 1, 3, steps, "old.h5");
  CHECK(snapshot.attributes.at("seen") == "12");
  checkpoint::upgrade(snapshot, 3, 3, steps, "old.h5");
  CHECK(snapshot.attributes.at("seen") == "12");
  const std::string message = message_of([&] { checkpoint::upgrade(snapshot, 2, 4, steps, "old.h5"); });
  CHECK(contains(message,
                 "\"old.h5\" has checkpoint format 2, and this program cannot bring format 3 up to date"));
}

// The documentation's own examples, so that it cannot drift.
TEST_CASE("docs/checkpoint_format.md: h5py reads a checkpoint and recomputes its checksum",
          "[checkpoint][snapshot]") {
  const Folder folder;
  fs::create_directory(folder / "checkpoints");
  Snapshot snapshot = sample();
  snapshot.tensors["model/encoder/parameters/net.0.weight"] = pattern({7, 2}, at::kFloat);
  checkpoint::write(snapshot, folder / "checkpoints/last.h5");
  const fs::path document = source_folder() / "../../docs/checkpoint_format.md";
  const int code =
      python(folder.path(), {(source_folder() / "read_checkpoint.py").string(), document.string()});
  if (code == kSkipped) {
    VARIFORM_SKIP("this Python has no h5py; set VARIFORM_PYTHON to one that has");
  } else {
    CHECK(code == 0);
  }
}
