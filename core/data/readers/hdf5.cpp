// See hdf5.h. The C interface is used because its errors can be silenced and fetched call by call.

#include "data/readers/hdf5.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include <hdf5.h>

#include "data/readers/source.h"

namespace variform::data {
namespace {

/// An HDF5 handle, closed by the function that belongs to its kind.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// Stops HDF5 from printing its error stack; restores the former handler.
class Silence {
 public:
  Silence() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Silence() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// The innermost entry of HDF5's error stack.
std::string reason() {
  std::string text = "no reason given";
  auto keep = [](unsigned, const H5E_error2_t* entry, void* out) -> herr_t {
    if (entry->desc != nullptr) *static_cast<std::string*>(out) = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep, &text);
  return text;
}

/// The paths of all datasets, at most 20, for "expected …, found …".
std::string list_datasets(hid_t file) {
  std::vector<std::string> names;
  auto visit = [](hid_t, const char* name, const H5O_info_t* info, void* out) -> herr_t {
    auto& found = *static_cast<std::vector<std::string>*>(out);
    if (info->type == H5O_TYPE_DATASET) found.push_back("/" + std::string(name));
    return found.size() < 20 ? 0 : 1;
  };
  H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, visit, &names, H5O_INFO_BASIC);
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "no datasets" : text;
}

struct Target {
  Element element;
  hid_t type;
};

Target target_of(const std::string& where, hid_t type) {
  const std::size_t size = H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_INTEGER: {
      const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
      if (size == 1 && !is_signed) return {Element::kUint8, H5T_NATIVE_UINT8};
      if (size < 4 || (size == 4 && is_signed)) return {Element::kInt32, H5T_NATIVE_INT32};
      if (size == 4 || size == 8)
        return {Element::kInt64, size == 8 && !is_signed ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64};
      break;
    }
    case H5T_FLOAT:
      if (size <= 4) return {Element::kFloat32, H5T_NATIVE_FLOAT};
      if (size == 8) return {Element::kFloat64, H5T_NATIVE_DOUBLE};
      break;
    case H5T_ENUM:  // h5py writes booleans as an enumeration FALSE, TRUE of int8
      if (size == 1 && H5Tget_nmembers(type) == 2) return {Element::kBool, H5I_INVALID_HID};
      break;
    default: break;
  }
  throw ReadError(where +
                  ": expected integers or floating-point numbers of at most 64 bits, found another type of " +
                  std::to_string(size) + " bytes an element.");
}

std::vector<std::int64_t> shape_of(const std::string& where, hid_t dataset) {
  const Handle space(H5Dget_space(dataset), H5Sclose);
  const int rank = space ? H5Sget_simple_extent_ndims(space.get()) : -1;
  if (rank < 0 || rank > H5S_MAX_RANK)
    throw ReadError(where + ": its shape cannot be read; the file is damaged.");
  std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
  std::vector<std::int64_t> shape;
  for (hsize_t size : sizes) {
    if (size > (hsize_t{1} << 62)) throw ReadError(where + ": its shape is impossible; the file is damaged.");
    shape.push_back(static_cast<std::int64_t>(size));
  }
  return shape;
}

/// A dataset may claim any shape; what is stored for it bounds what is believed.
void check_stored(const std::string& where, hid_t dataset, std::uint64_t elements, std::size_t stored_width) {
  const std::uint64_t stored = H5Dget_storage_size(dataset);
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose);
  const bool is_chunked = properties && H5Pget_layout(properties.get()) == H5D_CHUNKED;
  const std::uint64_t limit = is_chunked ? stored * kDeflateRatio : stored;
  if (elements > limit / std::max<std::size_t>(stored_width, 1))
    throw ReadError(where + ": its header claims " + std::to_string(elements) + " elements of " +
                    std::to_string(stored_width) + " bytes, but the file stores only " +
                    std::to_string(stored) + " bytes for them; the file is truncated or damaged.");
}

/// Unsigned numbers of 64 bits are kept where they are numbers of int64, too.
void check_signed_range(const Array& array, const std::string& where) {
  for (std::size_t at = 0; at < array.bytes.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t value = 0;
    std::memcpy(&value, array.bytes.data() + at, sizeof(value));
    if (value >> 63)
      throw ReadError(where + ": expected integers below 2^63, found " + std::to_string(value) + ".");
  }
}

}  // namespace

Array read_hdf5(const std::filesystem::path& path, const std::string& path_inside) {
  const std::string name = path.string(), where = name + " (dataset " + path_inside + ")";
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    throw ReadError(name + ": expected a file, found none.");
  const Silence silence;
  const Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file)
    throw ReadError(name + ": expected an HDF5 file, found one that the HDF5 library refuses (" + reason() +
                    ").");
  const Handle dataset(H5Dopen2(file.get(), path_inside.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset)
    throw ReadError(name + ": expected a dataset " + path_inside + ", found " + list_datasets(file.get()) +
                    ".");
  const Handle type(H5Dget_type(dataset.get()), H5Tclose);
  if (!type) throw ReadError(where + ": its type cannot be read; the file is damaged.");
  Target target = target_of(where, type.get());
  const Handle native(H5Tget_native_type(type.get(), H5T_DIR_ASCEND), H5Tclose);
  if (target.type == H5I_INVALID_HID) target.type = native.get();

  Array array{target.element, shape_of(where, dataset.get()), {}};
  const std::uint64_t bytes = byte_count(where, array.shape, array.element);
  const std::size_t width = H5Tget_size(type.get());
  check_stored(where, dataset.get(), bytes / size_of(array.element), width);
  array.bytes.resize(bytes);
  if (H5Dread(dataset.get(), target.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.bytes.data()) < 0)
    throw ReadError(where + ": cannot be read (" + reason() + "); the file is truncated or damaged.");
  if (array.element == Element::kBool)
    for (auto& byte : array.bytes) byte = byte != 0;
  if (H5Tequal(target.type, H5T_NATIVE_UINT64) > 0) check_signed_range(array, where);
  return array;
}

}  // namespace variform::data
