// Turns the bytes of a file into a Snapshot. Nothing in the file is trusted before it is checked: first the seal over
// all bytes, then HDF5's structure, then the content checksum. A seal detects accidents, not attacks, and libhdf5 does
// not survive every structure: it runs in a separate process, which says where in the file each tensor lies. What it
// says is checked against the file's size, and the tensors are copied from the file's bytes here.
#include <ATen/Functions.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "base/apart.h"
#include "base/fields.h"
#include "base/whole_file.h"
#include "checkpoint/layout.h"
#include "checkpoint/seal.h"
#include "checkpoint/snapshot.h"

namespace variform::checkpoint {
namespace {

constexpr int kDeepestGroup = 32;
constexpr std::int64_t kMostSize = std::int64_t{1} << 62;
constexpr const char* kApart = "the HDF5 library, reading it in a separate process, ";

at::ScalarType tensor_type(hid_t dataset, const std::string& what) {
  const base::hdf5::Handle stored(H5Dget_type(dataset), H5Tclose, what);
  const bool named = base::hdf5::check(H5Aexists(dataset, layout::kDtypeAttribute), what) > 0;
  const std::optional<std::string> name =
      named ? std::optional(base::hdf5::read_text(dataset, layout::kDtypeAttribute)) : std::nullopt;
  for (const Dtype& dtype : kDtypes) {
    if (base::hdf5::check(H5Tequal(stored, layout::file_type(dtype.type)), what) == 0) continue;
    if (dtype.type == at::kBFloat16 ? name == dtype.name : !name) return dtype.type;
  }
  throw base::Error(what + " has a type that checkpoints do not have");
}

// Returns the shape, after checking that the data lie in this file, uncompressed, and fill it exactly.
std::vector<std::int64_t> tensor_shape(hid_t dataset, std::size_t element_bytes, const std::string& what) {
  const base::hdf5::Handle creation(H5Dget_create_plist(dataset), H5Pclose, what);
  if (H5Pget_layout(creation) != H5D_CONTIGUOUS || H5Pget_external_count(creation) != 0) {
    throw base::Error(what + " is chunked or kept in another file");
  }
  const base::hdf5::Handle space(H5Dget_space(dataset), H5Sclose, what);
  if (H5Sget_simple_extent_type(space) == H5S_NULL) throw base::Error(what + " has no shape");
  const int rank = base::hdf5::check(H5Sget_simple_extent_ndims(space), what);
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  base::hdf5::check(H5Sget_simple_extent_dims(space, shape.data(), nullptr), what);

  const hsize_t stored = H5Dget_storage_size(dataset) / element_bytes;
  hsize_t count = 1;  // never exceeds `stored`, so that it cannot overflow
  bool empty = false;
  for (const hsize_t size : shape) {
    empty = empty || size == 0;
    if (size > static_cast<hsize_t>(std::numeric_limits<std::int32_t>::max()) * 64)
      throw base::Error(what + " is too big");
    if (size != 0 && !empty && count > stored / size) throw base::Error(what + " is bigger than its data");
    count *= empty ? 0 : size;
  }
  if (!empty && count != stored) throw base::Error(what + " is smaller than its data");
  return {shape.begin(), shape.end()};
}

// ---- In the process apart

void describe_tensor(hid_t dataset, const std::string& path, base::FieldWriter& answer) {
  const std::string what = "tensor \"" + path + "\"";
  const at::ScalarType type = tensor_type(dataset, what);
  const std::vector<std::int64_t> shape = tensor_shape(dataset, c10::elementSize(type), what);
  const haddr_t offset = H5Dget_offset(dataset);
  const bool is_empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  if (offset == HADDR_UNDEF && !is_empty) throw base::Error(what + " lies nowhere in the file");
  answer.add(path).add(static_cast<std::int64_t>(type)).add(shape);
  answer.add(is_empty ? std::int64_t{0} : static_cast<std::int64_t>(offset));
}

void describe_group(hid_t group, const std::string& prefix, int depth, base::FieldWriter& answer) {
  if (depth > kDeepestGroup) throw base::Error("groups are nested too deep");
  for (const std::string& name : base::hdf5::member_names(group)) {
    const std::string path = prefix + name;
    const base::hdf5::Handle object(H5Oopen(group, name.c_str(), H5P_DEFAULT), H5Oclose, "\"" + path + "\"");
    switch (H5Iget_type(object)) {
      case H5I_GROUP: describe_group(object, path + "/", depth + 1, answer); break;
      case H5I_DATASET: describe_tensor(object, path, answer); break;
      default: throw base::Error("\"" + path + "\" is neither a group nor a tensor");
    }
  }
}

// Describes attributes and tensors: the number of attributes, the attributes, then tensors to the end.
std::string describe(std::span<const std::byte> body) {
  const base::hdf5::Silence silence;
  const base::hdf5::Handle file = base::hdf5::open_file(body);
  const base::hdf5::Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose, "root group");
  base::FieldWriter answer;
  const std::vector<std::string> names = base::hdf5::attribute_names(root);
  answer.add(static_cast<std::int64_t>(names.size()));
  for (const std::string& name : names) answer.add(name).add(base::hdf5::read_text(root, name));
  describe_group(root, "", 0, answer);
  return answer.take();
}

// ---- In the program

at::Tensor tensor_at(base::FieldReader& told, std::span<const std::byte> body) {
  const std::int64_t type = told.number(0, static_cast<std::int64_t>(at::ScalarType::NumOptions) - 1);
  const std::vector<std::int64_t> shape = told.numbers(0, kMostSize);
  const auto offset = static_cast<std::uint64_t>(told.number(0, kMostSize));
  const Dtype* const dtype = find_dtype(static_cast<at::ScalarType>(type));
  if (dtype == nullptr) throw std::out_of_range("type");
  std::uint64_t bytes = c10::elementSize(dtype->type);
  for (const std::int64_t size : shape) {  // never exceeds the file, so that it cannot overflow
    if (size != 0 && bytes > body.size() / static_cast<std::uint64_t>(size)) throw std::out_of_range("shape");
    bytes *= static_cast<std::uint64_t>(size);
  }
  if (offset > body.size() || bytes > body.size() - offset) throw std::out_of_range("place");
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(dtype->type).device(at::kCPU));
  if (bytes > 0) std::memcpy(tensor.mutable_data_ptr(), body.data() + offset, bytes);
  return tensor;
}

Snapshot told_snapshot(const std::string& text, std::span<const std::byte> body) try {
  Snapshot snapshot;
  base::FieldReader told(text);
  for (std::int64_t left = told.number(0, kMostSize); left > 0; --left) {
    std::string name = told.text();
    snapshot.attributes[std::move(name)] = told.text();
  }
  while (told.has_more()) {
    std::string path = told.text();
    snapshot.tensors[std::move(path)] = tensor_at(told, body);
  }
  return snapshot;
} catch (const std::out_of_range&) {
  throw base::Error(std::string(kApart) + "answered nothing sensible");
}

Snapshot read_content(std::span<const std::byte> body, int format) {
  std::string text;
  try {
    text = base::do_apart([&](base::Outbox&) { return describe(body); }, {.heeds_signals = false}).text;
  } catch (const base::WorkFailed& failed) {
    throw base::Error(failed.what());
  } catch (const base::WorkKilled& killed) {
    throw base::Error(kApart + std::string(killed.what()));
  }
  Snapshot snapshot = told_snapshot(text, body);

  const auto take = [&snapshot](const char* name) {
    auto node = snapshot.attributes.extract(name);
    if (node.empty()) throw base::Error("attribute \"" + std::string(name) + "\" is missing");
    return std::move(node.mapped());
  };
  const std::string told_format = take(layout::kFormatAttribute);
  const std::string told_content = take(layout::kContentAttribute);
  if (told_format != std::to_string(format)) throw base::Error("it tells two different formats");
  if (told_content != layout::content_sha256(snapshot, format)) {
    throw base::Error("its content does not have the SHA-256 that it states");
  }
  return snapshot;
}

}  // namespace

Snapshot parse(std::span<const std::byte> file, const std::string& name) {
  const Seal seal = read_seal(file, kFormatVersion, name);
  const std::span<const std::byte> body = file.subspan(kSealBytes);
  check_body(seal, body, name);
  Snapshot snapshot;
  try {
    snapshot = read_content(body, seal.format);
  } catch (const base::Error& error) {
    refuse_damaged(name, error.what());
  }
  upgrade(snapshot, seal.format, kFormatVersion, upgrades(), name);
  return snapshot;
}

Snapshot read(const std::filesystem::path& path) {
  std::vector<std::byte> file;
  base::read_file(path, [&](std::span<const std::byte> piece) {
    if (file.empty()) {  // memory is taken only when size and seal agree: the file may be anything
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
