// Writes Python's pickle protocol 2, the few instructions that a dictionary of tensors needs (see Python's
// pickletools), into the zip archive that torch.load expects.
#include "export/pickle.h"

#include <ATen/Functions.h>
#include <caffe2/serialize/inline_container.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <set>
#include <string_view>

#include "base/whole_file.h"
#include "checkpoint/dtype.h"

namespace variform::exports {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the archive says that its bytes are little-endian");

// Writes a program for Python's unpickling stack machine; each call pushes or combines values on its stack.
class Pickler {
 public:
  Pickler() { code_ = "\x80\x02"; }

  void global(std::string_view module, std::string_view name) {
    code_ += 'c';
    (code_.append(module) += '\n').append(name) += '\n';
  }
  void text(std::string_view value) {
    code_ += 'X';
    little_endian(value.size(), 4);
    code_ += value;
  }
  void integer(std::int64_t value) {
    if (value >= std::numeric_limits<std::int32_t>::min() &&
        value <= std::numeric_limits<std::int32_t>::max()) {
      code_ += 'J';
      little_endian(static_cast<std::uint64_t>(value), 4);
    } else {
      code_ += "\x8a\x08";  // LONG1 of 8 bytes
      little_endian(static_cast<std::uint64_t>(value), 8);
    }
  }
  void integers(at::IntArrayRef values) {
    mark();
    for (const std::int64_t value : values) integer(value);
    tuple();
  }
  void boolean(bool value) { code_ += value ? '\x88' : '\x89'; }
  void mark() { code_ += '('; }
  void tuple() { code_ += 't'; }  // since the mark
  void empty_tuple() { code_ += ')'; }
  void empty_dict() { code_ += '}'; }
  void call() { code_ += 'R'; }        // function, tuple of arguments -> result
  void set_items() { code_ += 'u'; }   // dict, mark, key, value, ... -> dict
  void build() { code_ += 'b'; }       // object, dict of its attributes -> object
  void persistent() { code_ += 'Q'; }  // tuple that names a storage -> the storage
  void ordered_dict() {
    global("collections", "OrderedDict");
    empty_tuple();
    call();
  }
  std::string finish() { return std::move(code_ += '.'); }

 private:
  void little_endian(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) code_ += static_cast<char>(value >> (8 * i) & 0xff);
  }

  std::string code_;
};

// Writes torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks).
void pickle_tensor(Pickler& pickle, const at::Tensor& tensor, std::size_t storage) {
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.mark();
  pickle.mark();
  pickle.text("storage");
  pickle.global("torch", checkpoint::find_dtype(tensor.scalar_type())->torch_storage);
  pickle.text(std::to_string(storage));
  pickle.text("cpu");
  pickle.integer(tensor.numel());
  pickle.tuple();
  pickle.persistent();
  pickle.integer(0);
  pickle.integers(tensor.sizes());
  pickle.integers(tensor.strides());
  pickle.boolean(false);
  pickle.ordered_dict();
  pickle.tuple();
  pickle.call();
}

std::string pickle_state(const NamedTensors& state, const Metadata& metadata) {
  Pickler pickle;
  pickle.ordered_dict();
  pickle.mark();
  for (std::size_t i = 0; i < state.size(); ++i) {
    pickle.text(state[i].first);
    pickle_tensor(pickle, state[i].second, i);
  }
  pickle.set_items();

  pickle.empty_dict();
  pickle.mark();
  pickle.text("metadata");
  pickle.empty_dict();
  pickle.mark();
  for (const auto& [key, value] : metadata) {
    pickle.text(key);
    pickle.text(value);
  }
  pickle.set_items();
  pickle.set_items();
  pickle.build();
  return pickle.finish();
}

NamedTensors ready_to_export(const NamedTensors& state) {
  NamedTensors ready = state;
  std::set<std::string_view> names;
  for (auto& [name, tensor] : ready) {
    if (!names.insert(name).second)
      throw base::Error("tensor \"" + name + "\" is to be exported twice; name each once.");
    if (!tensor.defined() || tensor.layout() != at::kStrided ||
        checkpoint::find_dtype(tensor.scalar_type()) == nullptr) {
      throw base::Error(
          "tensor \"" + name + "\" cannot be exported: expected a dense one of float32, float64, bfloat16, " +
          "int64, int32, uint8, bool, found " +
          (tensor.defined() ? std::string(tensor.toString()) : "an undefined one") + "; convert it first.");
    }
    tensor = tensor.detach().to(at::kCPU).contiguous();
  }
  return ready;
}

}  // namespace

std::vector<std::byte> compose_torch_file(const NamedTensors& state, const Metadata& metadata) {
  const NamedTensors ready = ready_to_export(state);
  std::vector<std::byte> bytes;
  caffe2::serialize::PyTorchStreamWriter archive([&](const void* data, std::size_t size) {
    const auto* const begin = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), begin, begin + size);
    return size;
  });
  const std::string pickle = pickle_state(ready, metadata);
  archive.writeRecord("data.pkl", pickle.data(), pickle.size());
  constexpr std::string_view kOrder = "little";
  archive.writeRecord("byteorder", kOrder.data(), kOrder.size());
  for (std::size_t i = 0; i < ready.size(); ++i)
    archive.writeRecord("data/" + std::to_string(i), ready[i].second.const_data_ptr(),
                        ready[i].second.nbytes());
  archive.writeEndOfFile();  // with the format's version
  return bytes;
}

void write_torch_file(const std::filesystem::path& path, const NamedTensors& state,
                      const Metadata& metadata) {
  base::commit(compose_torch_file(state, metadata), path);
}

}  // namespace variform::exports
