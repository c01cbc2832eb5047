// See hdf5.h. The C interface is used because its errors can be silenced and fetched call by call.
// Opening with locks, and compression: hdf5_access.cpp.

#include "data/readers/hdf5.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include <hdf5.h>

#include "config/text.h"
#include "data/readers/hdf5_access.h"
#include "data/readers/source.h"

namespace variform::data {
namespace {

using hdf5_access::Handle;
using hdf5_access::Silence;

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

std::string fill_value_text(hid_t properties) {
  double value = 0;
  H5Pget_fill_value(properties, H5T_NATIVE_DOUBLE, &value);
  return config::format_plain(value);
}

/// How many chunks a dataset has, and how many of them were written.
std::pair<hsize_t, hsize_t> chunks_of(hid_t dataset, hid_t properties,
                                      const std::vector<std::int64_t>& shape) {
  std::vector<hsize_t> sizes(std::max<std::size_t>(shape.size(), 1), 1);
  H5Pget_chunk(properties, static_cast<int>(shape.size()), sizes.data());
  hsize_t all = 1, written = 0;
  for (std::size_t i = 0; i < shape.size(); ++i)
    all *= (static_cast<hsize_t>(shape[i]) + sizes[i] - 1) / std::max<hsize_t>(sizes[i], 1);
  const Handle space(H5Dget_space(dataset), H5Sclose);
  H5Dget_num_chunks(dataset, space.get(), &written);
  return {all, written};
}

/// The other files that a virtual dataset shows must be there: HDF5 would put fill values in their place without a word.
void check_virtual(const std::filesystem::path& path, const std::string& where, hid_t properties) {
  std::size_t count = 0;
  H5Pget_virtual_count(properties, &count);
  for (std::size_t i = 0; i < count; ++i) {
    std::string name(4096, '\0');
    const auto length = H5Pget_virtual_filename(properties, i, name.data(), name.size());
    name.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(length, 0, 4095)));
    if (name == "." || name.find('%') != std::string::npos)
      continue;  // the file itself, or a pattern of names
    std::error_code error;
    if (!std::filesystem::exists(path.parent_path() / name, error))
      throw ReadError(where + ": it is a virtual dataset, which shows rows of " + name +
                      "; expected that file in " + path.parent_path().string() + ", found none.");
  }
}

/// A dataset may claim any shape; what is stored for it bounds what is believed. Returns a sentence where less is stored
/// than is claimed because it was never written; what is read there is the fill value.
std::string check_stored(const std::filesystem::path& path, const std::string& where, hid_t dataset,
                         const Array& array, std::size_t stored_width) {
  const std::uint64_t bytes = byte_count(where, array.shape, array.element);
  const std::uint64_t elements = bytes / size_of(array.element), stored = H5Dget_storage_size(dataset);
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose);
  const H5D_layout_t layout = properties ? H5Pget_layout(properties.get()) : H5D_CONTIGUOUS;
  check_fits(where, bytes);
  if (layout == H5D_VIRTUAL) {
    check_virtual(path, where, properties.get());
    return "";
  }
  if (layout == H5D_CHUNKED) {
    const auto [all, written] = chunks_of(dataset, properties.get(), array.shape);
    if (written < all)
      return where + ": " + std::to_string(all - written) + " of its " + std::to_string(all) +
             " chunks were never written; their elements are its fill value, " +
             fill_value_text(properties.get()) + ".";
  } else if (stored == 0) {
    return where + ": nothing was ever written to it; all elements are its fill value, " +
           fill_value_text(properties.get()) + ".";
  }
  const std::uint64_t limit = layout == H5D_CHUNKED ? stored * kDeflateRatio : stored;
  if (elements > limit / std::max<std::size_t>(stored_width, 1))
    throw ReadError(where + ": its header claims " + std::to_string(elements) + " elements of " +
                    std::to_string(stored_width) + " bytes, but the file stores only " +
                    std::to_string(stored) + " bytes for them; the file is truncated or damaged.");
  return "";
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

Array read_hdf5(const std::filesystem::path& path, const std::string& path_inside,
                std::vector<std::string>* notes) {
  const std::string name = path.string(), where = name + " (dataset " + path_inside + ")";
  const Silence silence;
  std::string note;
  const Handle file(hdf5_access::open(path, note), H5Fclose);
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
  hdf5_access::check_compression(where, dataset.get());
  const std::string unwritten = check_stored(path, where, dataset.get(), array, H5Tget_size(type.get()));
  array.bytes.resize(byte_count(where, array.shape, array.element));
  if (H5Dread(dataset.get(), target.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.bytes.data()) < 0)
    throw ReadError(where + ": cannot be read (" + hdf5_access::reason() +
                    "); the file is truncated or damaged.");
  if (array.element == Element::kBool)
    for (auto& byte : array.bytes) byte = byte != 0;
  if (H5Tequal(target.type, H5T_NATIVE_UINT64) > 0) check_signed_range(array, where);
  for (const std::string& sentence : {note, unwritten})
    if (notes != nullptr && !sentence.empty()) notes->push_back(sentence);
  return array;
}

std::vector<Hdf5Entry> hdf5_entries(const std::filesystem::path& path) {
  const Silence silence;
  std::string note;
  const Handle file(hdf5_access::open(path, note), H5Fclose);
  struct Visit {
    hid_t file;
    std::vector<Hdf5Entry> entries;
  } visit{file.get(), {}};
  const auto look = [](hid_t, const char* name, const H5O_info_t* info, void* out) -> herr_t {
    auto& seen = *static_cast<Visit*>(out);
    if (info->type != H5O_TYPE_DATASET) return 0;
    const Handle dataset(H5Dopen2(seen.file, name, H5P_DEFAULT), H5Dclose);
    const Handle type(dataset ? H5Dget_type(dataset.get()) : H5I_INVALID_HID, H5Tclose);
    if (!type) return 0;
    const std::string inside = "/" + std::string(name);
    try {
      seen.entries.push_back(
          {inside, shape_of(inside, dataset.get()), target_of(inside, type.get()).element});
    } catch (const ReadError&) {
      seen.entries.push_back({inside, {}, Element::kUint8, false});
    }
    return seen.entries.size() < 1000 ? 0 : 1;
  };
  H5Ovisit2(file.get(), H5_INDEX_NAME, H5_ITER_INC, look, &visit, H5O_INFO_BASIC);
  return std::move(visit.entries);
}

}  // namespace variform::data
