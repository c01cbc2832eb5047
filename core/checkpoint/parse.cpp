// Bytes of a file -> Snapshot. Nothing in the file is believed before it is checked: first the seal over all
// bytes, then HDF5's structure, then the content checksum.
#include <ATen/Functions.h>

#include <limits>
#include <optional>
#include <system_error>

#include "file.h"
#include "layout.h"
#include "seal.h"
#include "snapshot.h"

namespace variform::checkpoint {
namespace {

constexpr int kDeepestGroup = 32;

at::ScalarType tensor_type(hid_t dataset, const std::string& what) {
  const hdf5::Handle stored(H5Dget_type(dataset), H5Tclose, what);
  const bool named = hdf5::check(H5Aexists(dataset, layout::kDtypeAttribute), what) > 0;
  const std::optional<std::string> name =
      named ? std::optional(hdf5::read_text(dataset, layout::kDtypeAttribute)) : std::nullopt;
  for (const Dtype& dtype : kDtypes) {
    if (hdf5::check(H5Tequal(stored, layout::file_type(dtype.type)), what) == 0) continue;
    if (dtype.type == at::kBFloat16 ? name == dtype.name : !name) return dtype.type;
  }
  throw Error(what + " has a type that checkpoints do not have");
}

// The shape, once it is certain that the data lie in this file, uncompressed, and fill it exactly.
std::vector<std::int64_t> tensor_shape(hid_t dataset, std::size_t element_bytes, const std::string& what) {
  const hdf5::Handle creation(H5Dget_create_plist(dataset), H5Pclose, what);
  if (H5Pget_layout(creation) != H5D_CONTIGUOUS || H5Pget_external_count(creation) != 0) {
    throw Error(what + " is chunked or kept in another file");
  }
  const hdf5::Handle space(H5Dget_space(dataset), H5Sclose, what);
  if (H5Sget_simple_extent_type(space) == H5S_NULL) throw Error(what + " has no shape");
  const int rank = hdf5::check(H5Sget_simple_extent_ndims(space), what);
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  hdf5::check(H5Sget_simple_extent_dims(space, shape.data(), nullptr), what);

  const hsize_t stored = H5Dget_storage_size(dataset) / element_bytes;
  hsize_t count = 1;  // never exceeds `stored`, so that it cannot overflow
  bool empty = false;
  for (const hsize_t size : shape) {
    empty = empty || size == 0;
    if (size > static_cast<hsize_t>(std::numeric_limits<std::int32_t>::max()) * 64)
      throw Error(what + " is too big");
    if (size != 0 && !empty && count > stored / size) throw Error(what + " is bigger than its data");
    count *= empty ? 0 : size;
  }
  if (!empty && count != stored) throw Error(what + " is smaller than its data");
  return {shape.begin(), shape.end()};
}

at::Tensor read_tensor(hid_t dataset, const std::string& path) {
  const std::string what = "tensor \"" + path + "\"";
  const at::ScalarType type = tensor_type(dataset, what);
  const std::vector<std::int64_t> shape = tensor_shape(dataset, c10::elementSize(type), what);
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(type).device(at::kCPU));
  if (tensor.numel() > 0) {
    const hdf5::Handle memory_type = layout::file_type(type);
    hdf5::check(H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.mutable_data_ptr()),
                what);
  }
  return tensor;
}

void read_group(hid_t group, const std::string& prefix, int depth, Snapshot& snapshot) {
  if (depth > kDeepestGroup) throw Error("groups are nested too deep");
  for (const std::string& name : hdf5::member_names(group)) {
    const std::string path = prefix + name;
    const hdf5::Handle object(H5Oopen(group, name.c_str(), H5P_DEFAULT), H5Oclose, "\"" + path + "\"");
    switch (H5Iget_type(object)) {
      case H5I_GROUP: read_group(object, path + "/", depth + 1, snapshot); break;
      case H5I_DATASET: snapshot.tensors[path] = read_tensor(object, path); break;
      default: throw Error("\"" + path + "\" is neither a group nor a tensor");
    }
  }
}

Snapshot read_content(std::span<const std::byte> body, int format) {
  const hdf5::Handle file = hdf5::open_file(body);
  const hdf5::Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose, "root group");
  Snapshot snapshot;
  for (const std::string& name : hdf5::attribute_names(root))
    snapshot.attributes[name] = hdf5::read_text(root, name);
  read_group(root, "", 0, snapshot);

  const auto take = [&snapshot](const char* name) {
    auto node = snapshot.attributes.extract(name);
    if (node.empty()) throw Error("attribute \"" + std::string(name) + "\" is missing");
    return std::move(node.mapped());
  };
  const std::string told_format = take(layout::kFormatAttribute);
  const std::string told_content = take(layout::kContentAttribute);
  if (told_format != std::to_string(format)) throw Error("it tells two different formats");
  if (told_content != layout::content_sha256(snapshot, format)) {
    throw Error("its content does not have the SHA-256 that it tells");
  }
  return snapshot;
}

}  // namespace

Snapshot parse(std::span<const std::byte> file, const std::string& name) {
  const Seal seal = read_seal(file, kFormatVersion, name);
  const std::span<const std::byte> body = file.subspan(kSealBytes);
  check_body(seal, body, name);
  const hdf5::Silence silence;
  Snapshot snapshot;
  try {
    snapshot = read_content(body, seal.format);
  } catch (const Error& error) {
    refuse_damaged(name, error.what());
  }
  upgrade(snapshot, seal.format, kFormatVersion, upgrades(), name);
  return snapshot;
}

Snapshot read(const std::filesystem::path& path) {
  std::vector<std::byte> file;
  read_file(path, [&](std::span<const std::byte> piece) {
    if (file.empty()) {  // memory is asked for only when size and seal agree: the file may be anything
      const Seal seal = read_seal(piece, kFormatVersion, path.string());
      std::error_code ignored;
      check_size(seal, std::filesystem::file_size(path, ignored) - kSealBytes, path.string());
      file.reserve(kSealBytes + seal.bytes);
    }
    file.insert(file.end(), piece.begin(), piece.end());
  });
  return parse(file, path.string());
}

}  // namespace variform::checkpoint
