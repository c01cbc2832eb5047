#include "checkpoint/layout.h"

#include <bit>
#include <cstdint>

#include <fmt/format.h>

#include "base/sha256.h"

// The parts of docs/checkpoint_format.md that concern both writer and reader.
namespace variform::checkpoint::layout {

static_assert(std::endian::native == std::endian::little, "checkpoints copy tensor memory as little-endian");
static_assert(sizeof(bool) == 1);

namespace {

// h5py's convention for bool.
base::hdf5::Handle bool_type() {
  base::hdf5::Handle type(H5Tenum_create(H5T_STD_I8LE), H5Tclose, "bool type");
  for (const std::int8_t value : {std::int8_t{0}, std::int8_t{1}}) {
    base::hdf5::check(H5Tenum_insert(type, value == 0 ? "FALSE" : "TRUE", &value), "bool type");
  }
  return type;
}

hid_t standard_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return H5T_IEEE_F32LE;
    case at::kDouble: return H5T_IEEE_F64LE;
    case at::kBFloat16: return H5T_STD_U16LE;
    case at::kLong: return H5T_STD_I64LE;
    case at::kInt: return H5T_STD_I32LE;
    case at::kByte: return H5T_STD_U8LE;
    default: return -1;
  }
}

}  // namespace

base::hdf5::Handle file_type(at::ScalarType type) {
  if (type == at::kBool) return bool_type();
  return {H5Tcopy(standard_type(type)), H5Tclose, "tensor type"};
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

std::string content_sha256(const Snapshot& snapshot, int format) {
  base::Sha256 hash;
  hash.update(fmt::format("format {}\n", format));
  for (const auto& [name, value] : snapshot.attributes)
    hash.update("text " + base::sha256(value) + " " + name + "\n");
  for (const auto& [path, tensor] : snapshot.tensors) {
    hash.update("tensor " + base::sha256(bytes_of(tensor)) + " " + find_dtype(tensor.scalar_type())->name +
                " " + shape_text(tensor.sizes()) + " " + path + "\n");
  }
  return hash.hex();
}

}  // namespace variform::checkpoint::layout
