// Checkpoints written beside the training: what they hold, and how their failures come out.
#include <chrono>
#include <thread>

#include "base/whole_file.h"
#include "checkpoint/writer.h"
#include "helpers.h"

using namespace checkpoint_test;  // NOLINT: a test's own helpers
namespace base = variform::base;
namespace checkpoint = variform::checkpoint;

TEST_CASE("the state of the moment is written, whatever happens to the tensors afterwards", "[checkpoint]") {
  const Folder folder;
  const fs::path first = folder.path() / "first.h5", second = folder.path() / "second.h5";
  Snapshot live = sample(1);
  checkpoint::Writer writer;
  for (int seed : {1, 2, 3}) {  // the copy's memory is used again
    const Snapshot wanted = sample(seed);
    for (auto& [path, tensor] : live.tensors) tensor.copy_(wanted.tensors.at(path));
    live.attributes = wanted.attributes;
    int calls = 0;
    writer.write(live, {first, second}, [&] { ++calls; });
    for (auto& [path, tensor] : live.tensors) tensor.zero_();
    writer.finish();
    CHECK(calls == 1);
    CHECK(same(checkpoint::read(first), wanted));
    CHECK((base::read_file(first) == base::read_file(second)));
    CHECK((base::read_file(first) == checkpoint::compose_bytes(wanted)));
  }
}

TEST_CASE("tensors may change their shapes, come and go between two checkpoints", "[checkpoint]") {
  const Folder folder;
  const fs::path path = folder.path() / "last.h5";
  checkpoint::Writer writer;
  Snapshot snapshot = sample(1);
  writer.write(snapshot, {path}, [] {});
  snapshot.tensors.erase(snapshot.tensors.begin());
  snapshot.tensors["model/new"] = pattern({3, 5}, at::kFloat, 4).t();
  writer.write(snapshot, {path}, [] {});
  writer.finish();
  CHECK(same(checkpoint::read(path), snapshot));
}

TEST_CASE("a failed write is said once, by whichever call comes next", "[checkpoint]") {
  const Folder folder;
  const fs::path good = folder.path() / "good.h5", bad = folder.path() / "missing" / "bad.h5";
  checkpoint::Writer writer;
  const auto fails = [&](const auto& call) { return contains(message_of(call), bad.string()); };

  writer.write(sample(1), {bad}, [] {});
  CHECK(fails([&] { writer.finish(); }));
  writer.finish();

  writer.write(sample(1), {bad}, [] {});
  CHECK(fails([&] { writer.write(sample(2), {good}, [] {}); }));
  CHECK_FALSE(fs::exists(good));

  writer.write(sample(1), {bad}, [] {});
  bool said = false;
  for (int i = 0; i < 2000 && !said; ++i) {
    said = fails([&] { writer.check(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(said);
  writer.write(sample(3), {good}, [] {});
  writer.finish();
  CHECK(same(checkpoint::read(good), sample(3)));
}

TEST_CASE("what is not finished is waited for", "[checkpoint]") {
  const Folder folder;
  const fs::path path = folder.path() / "last.h5";
  {
    checkpoint::Writer writer;
    writer.write(sample(1), {path}, [] { std::this_thread::sleep_for(std::chrono::milliseconds(50)); });
  }
  CHECK(same(checkpoint::read(path), sample(1)));
}
