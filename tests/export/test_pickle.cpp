// The export is what Python's torch.load(weights_only=True) takes, with the same bits.
#include "base/whole_file.h"
#include "checkpoint/helpers.h"
#include "export/pickle.h"

using namespace checkpoint_test;  // NOLINT: a test's own helpers
namespace checkpoint = variform::checkpoint;
namespace exports = variform::exports;

namespace {

exports::NamedTensors state() {
  exports::NamedTensors all;
  for (const at::ScalarType type : types()) {
    const std::string name = "z" + std::string(c10::toString(type));  // names out of order: order is kept
    all.emplace_back(name + ".weight", pattern({3, 4, 2}, type));
    all.emplace_back(name + ".scalar", pattern({}, type));
    all.emplace_back(name + ".empty", pattern({2, 0}, type));
  }
  all.emplace_back("decoder.net.0.weight",
                   at::arange(12, at::kFloat).view({3, 4}).t().set_requires_grad(true));
  all.emplace_back("Größe", at::ones({70000}));
  return all;
}

}  // namespace

TEST_CASE("Python's torch.load with weights_only reads every type bit for bit", "[checkpoint][pickle]") {
  const Folder folder;
  exports::write_torch_file(folder / "weights.pt", state(), {{"config", "seed = 1\n"}, {"note", "∂"}});
  exports::write_torch_file(folder / "none.pt", {}, {});
  Snapshot expected;
  for (const auto& [name, tensor] : state()) expected.tensors["model/" + name] = tensor;
  for (std::size_t i = 0; i < state().size(); ++i) {
    expected.attributes["order " + std::to_string(100 + i)] = state()[i].first;
  }
  checkpoint::write(expected, folder / "expected.h5");
  const int code =
      python(folder.path(), {(source_folder().parent_path() / "export" / "read_export.py").string()});
  if (code == kSkipped) {
    VARIFORM_SKIP("this Python has no torch with h5py; set VARIFORM_PYTHON to one that has");
  } else {
    CHECK(code == 0);
  }
}

TEST_CASE("the same export has the same bytes", "[checkpoint][pickle]") {
  const std::vector<std::byte> once = exports::compose_torch_file(state(), {{"a", "b"}});
  CHECK((once == exports::compose_torch_file(state(), {{"a", "b"}})));
}

TEST_CASE("what cannot be exported is refused with its name", "[checkpoint][pickle]") {
  const auto refusal = [](const exports::NamedTensors& tensors) {
    return message_of([&] { exports::compose_torch_file(tensors, {}); });
  };
  const at::Tensor one = at::ones({1});
  CHECK(contains(refusal({{"a", one}, {"a", one}}), "tensor \"a\" is to be exported twice"));
  CHECK(contains(refusal({{"a", at::Tensor()}}), "tensor \"a\" cannot be exported"));
  CHECK(contains(refusal({{"a", one.to(at::kHalf)}}), "found CPUHalfType"));
}
