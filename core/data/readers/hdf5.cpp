// See hdf5.h. Uses the C interface because its errors can be silenced and fetched call by call. libhdf5 does not
// survive every file, so everything happens in a separate process, which hands over the array's bytes; what that
// process says is not trusted either. Opening with locks, other files, and compression: hdf5_access.cpp.

#include "data/readers/hdf5.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <hdf5.h>

#include "base/apart.h"
#include "base/descriptor.h"
#include "base/fields.h"
#include "base/interrupt.h"
#include "base/retry.h"
#include "config/text.h"
#include "data/readers/hdf5_access.h"
#include "data/readers/source.h"

namespace variform::data {
namespace {

using hdf5_access::Handle;
using hdf5_access::OneFile;
using hdf5_access::Silence;

/// Returns the paths of all datasets, at most 20, for "expected …, found …".
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
  throw ReadError(
      fmt::format("{}: expected integers or floating-point numbers of at most 64 bits, found another type of "
                  "{} bytes per element.",
                  where, size));
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

/// Returns how many chunks a dataset has, and how many of them were written.
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

/// Returns the first of the other files that a virtual dataset shows, or a missing one.
std::string other_file_of_virtual(hid_t properties, const std::filesystem::path& folder, bool& is_missing) {
  std::size_t count = 0;
  std::string first;
  H5Pget_virtual_count(properties, &count);
  for (std::size_t i = 0; i < count; ++i) {
    std::string name(4096, '\0');
    const auto length = H5Pget_virtual_filename(properties, i, name.data(), name.size());
    name.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(length, 0, 4095)));
    if (name == ".") continue;  // the file itself
    std::error_code error;
    is_missing = name.find('%') == std::string::npos && !std::filesystem::exists(folder / name, error);
    if (first.empty() || is_missing) first = name;
    if (is_missing) break;
  }
  return first;
}

constexpr const char* kAllow =
    "; if that is meant, write other_files = true in the data set's description, or copy the data into one "
    "file.";

/// Refuses data in other files without permission, and missing ones, for which HDF5 would silently use fill values.
void check_other_files(const std::filesystem::path& path, const std::string& where, hid_t properties,
                       bool allowed) {
  if (H5Pget_external_count(properties) > 0) {
    std::string name(4096, '\0');
    off_t offset = 0;
    hsize_t size = 0;
    H5Pget_external(properties, 0, name.size() - 1, name.data(), &offset, &size);
    if (!allowed)
      throw ReadError(where + ": its values lie in another file, " + std::string(name.c_str()) + kAllow);
  }
  if (H5Pget_layout(properties) != H5D_VIRTUAL) return;
  bool is_missing = false;
  const std::string name = other_file_of_virtual(properties, path.parent_path(), is_missing);
  if (name.empty()) return;
  const std::string shows = where + ": it is a virtual dataset, which shows rows of " + name;
  if (!allowed) throw ReadError(shows + ", another file" + kAllow);
  if (is_missing)
    throw ReadError(shows + "; expected that file in " + path.parent_path().string() + ", found none.");
}

/// Refuses a dataset that claims more than is stored for it. Returns a sentence where less is stored because it was
/// never written, so that the fill value is read.
std::string check_stored(const std::filesystem::path& path, const std::string& where, hid_t dataset,
                         const Array& array, std::size_t stored_width, const Bounds& bounds) {
  const std::uint64_t bytes = byte_count(where, array.shape, array.element);
  const std::uint64_t elements = bytes / size_of(array.element), stored = H5Dget_storage_size(dataset);
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose);
  const H5D_layout_t layout = properties ? H5Pget_layout(properties.get()) : H5D_CONTIGUOUS;
  if (properties) check_other_files(path, where, properties.get(), bounds.other_files);
  if (!bounds.in_place) check_fits(where, bytes, bounds, layout == H5D_CHUNKED && stored > 0 ? stored : 0);
  if (layout == H5D_VIRTUAL) return "";
  if (layout == H5D_CHUNKED) {
    const auto [all, written] = chunks_of(dataset, properties.get(), array.shape);
    if (written < all)
      return fmt::format("{}: {} of its {} chunks were never written; their elements are its fill value, {}.",
                         where, all - written, all, fill_value_text(properties.get()));
  } else if (stored == 0) {
    return where + ": nothing was ever written to it; all elements are its fill value, " +
           fill_value_text(properties.get()) + ".";
  }
  const std::uint64_t limit = layout == H5D_CHUNKED ? stored * kDeflateRatio : stored;
  if (elements > limit / std::max<std::size_t>(stored_width, 1))
    throw ReadError(
        fmt::format("{}: its header claims {} elements of {} bytes, but the file stores only {} bytes for "
                    "them; the file is truncated or damaged.",
                    where, elements, stored_width, stored));
  return "";
}

/// Returns the bytes that unpacking chunks takes in HDF5's own memory, after checking them against the bounds.
std::uint64_t chunk_bytes(const std::string& where, hid_t dataset, std::size_t stored_width,
                          const Bounds& bounds) {
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose);
  std::array<hsize_t, H5S_MAX_RANK> sizes{};
  const int rank = H5Pget_layout(properties.get()) == H5D_CHUNKED
                       ? H5Pget_chunk(properties.get(), H5S_MAX_RANK, sizes.data())
                       : 0;
  if (rank <= 0) return 0;
  std::uint64_t bytes = 2 * std::max<std::size_t>(stored_width, 1);
  for (int i = 0; i < rank; ++i) {
    if (sizes[static_cast<std::size_t>(i)] > (std::uint64_t{1} << 50) / bytes) bytes = std::uint64_t{1} << 50;
    else bytes *= std::max<hsize_t>(sizes[static_cast<std::size_t>(i)], 1);
  }
  check_fits(where + " (its chunks)", bytes, bounds);
  return bytes;
}

/// Refuses unsigned 64-bit numbers that are not numbers of int64 too.
void check_signed_range(const Array& array, const std::string& where) {
  for (std::size_t at = 0; at < array.bytes.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t value = 0;
    std::memcpy(&value, array.bytes.data() + at, sizeof(value));
    if (value >> 63)
      throw ReadError(fmt::format("{}: expected integers below 2^63, found {}.", where, value));
  }
}

/// Says why a dataset was not opened: a link that was not followed, or no such dataset.
std::string why_absent(const std::string& name, const std::string& path_inside, hid_t file,
                       const OneFile& one) {
  if (!one.refused().empty())
    return name + ": " + path_inside + " is a link to another file, " + one.refused() + kAllow;
  return name + ": expected a dataset " + path_inside + ", found " + list_datasets(file) + ".";
}

constexpr std::int64_t kNoPlace = -1;

/// Returns the place in the file where the elements lie contiguously and in the wanted form, so that the program can
/// read them without libhdf5 and without memory shared by two processes, whose pages cost more; else kNoPlace.
std::int64_t place_of(hid_t file, hid_t dataset, hid_t stored_type, hid_t wanted, std::uint64_t bytes) {
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose);
  H5O_info_t here, there;  // through a link, it may be a dataset of another file
  if (!properties || H5Oget_info2(file, &here, H5O_INFO_BASIC) < 0 ||
      H5Oget_info2(dataset, &there, H5O_INFO_BASIC) < 0)
    return kNoPlace;
  const bool is_plain = here.fileno == there.fileno && H5Pget_layout(properties.get()) == H5D_CONTIGUOUS &&
                        H5Pget_external_count(properties.get()) == 0 && H5Tequal(stored_type, wanted) > 0 &&
                        bytes > 0 && H5Dget_storage_size(dataset) == bytes;
  const haddr_t at = is_plain ? H5Dget_offset(dataset) : HADDR_UNDEF;
  return at == HADDR_UNDEF || at > (haddr_t{1} << 62) ? kNoPlace : static_cast<std::int64_t>(at);
}

/// In the separate process: reads the array into its outbox, unless it can be read in place, and returns its type,
/// shape and place.
std::string read_apart(const std::filesystem::path& path, const std::string& path_inside,
                       const Bounds& bounds, base::Outbox& outbox) {
  const std::string name = path.string(), where = name + " (dataset " + path_inside + ")";
  const Silence silence;
  OneFile one;
  std::string note;
  const Handle file(hdf5_access::open(path, note), H5Fclose);
  const Handle dataset(H5Dopen2(file.get(), path_inside.c_str(), one.access(bounds.other_files)), H5Dclose);
  if (!dataset) throw ReadError(why_absent(name, path_inside, file.get(), one));
  const Handle type(H5Dget_type(dataset.get()), H5Tclose);
  if (!type) throw ReadError(where + ": its type cannot be read; the file is damaged.");
  Target target = target_of(where, type.get());
  const Handle native(H5Tget_native_type(type.get(), H5T_DIR_ASCEND), H5Tclose);
  if (target.type == H5I_INVALID_HID) target.type = native.get();

  const Array array{target.element, shape_of(where, dataset.get()), {}};
  hdf5_access::check_compression(where, dataset.get());
  const std::size_t width = H5Tget_size(type.get());
  const std::string unwritten = check_stored(path, where, dataset.get(), array, width, bounds);
  const std::uint64_t bytes = byte_count(where, array.shape, array.element);
  const std::uint64_t beside = chunk_bytes(where, dataset.get(), width, bounds);
  constexpr std::uint64_t kLibrary = std::uint64_t{400} << 20, kBytesPerSecond = 10'000'000;
  const std::int64_t place = place_of(file.get(), dataset.get(), type.get(), target.type, bytes);
  if (place == kNoPlace && bounds.in_place)
    refuse_in_place(
        where, "chunks, compression, or values of another type than are used",
        fmt::format("h5repack -l {0}:CONTI -f {0}:NONE {1} OUT.h5 (Debian's hdf5-tools) writes a file that "
                    "allows it",
                    path_inside, path.filename().string()));
  if (place == kNoPlace) {
    outbox.extend({bytes + beside + kLibrary, std::chrono::seconds(10 + bytes / kBytesPerSecond)});
    std::byte* const room = outbox.make_room(bytes);
    if (H5Dread(dataset.get(), target.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, room) < 0)
      throw ReadError(where + ": cannot be read (" + hdf5_access::reason() +
                      "); the file is truncated or damaged.");
  }
  base::FieldWriter answer;
  answer.add(place).add(static_cast<std::int64_t>(array.element)).add(array.shape);
  answer.add(static_cast<std::int64_t>(H5Tequal(target.type, H5T_NATIVE_UINT64) > 0));
  return answer.add(note).add(unwritten).take();
}

constexpr std::int64_t kNotNumeric = -1;

/// In the separate process: lists the datasets of a file.
std::string list_apart(const std::filesystem::path& path) {
  const Silence silence;
  const OneFile one;
  std::string note;
  const Handle file(hdf5_access::open(path, note), H5Fclose);
  struct Visit {
    hid_t file;
    std::int64_t count = 0;
    base::FieldWriter entries{};
  } visit{file.get()};
  const auto look = [](hid_t, const char* name, const H5O_info_t* info, void* out) -> herr_t {
    auto& seen = *static_cast<Visit*>(out);
    if (info->type != H5O_TYPE_DATASET) return 0;
    const Handle dataset(H5Dopen2(seen.file, name, H5P_DEFAULT), H5Dclose);
    const Handle type(dataset ? H5Dget_type(dataset.get()) : H5I_INVALID_HID, H5Tclose);
    if (!type) return 0;
    const std::string inside = "/" + std::string(name);
    seen.entries.add(inside);
    try {
      const auto shape = shape_of(inside, dataset.get());
      const auto element = static_cast<std::int64_t>(target_of(inside, type.get()).element);
      seen.entries.add(shape).add(element);
    } catch (const ReadError&) {
      seen.entries.add(std::vector<std::int64_t>{}).add(kNotNumeric);
    }
    return ++seen.count < 1000 ? 0 : 1;
  };
  H5Ovisit2(file.get(), H5_INDEX_NAME, H5_ITER_INC, look, &visit, H5O_INFO_BASIC);
  return visit.entries.take();
}

[[noreturn]] void refuse_broken(const std::string& where, const std::string& what) {
  throw ReadError(
      where + ": the HDF5 library, reading it in a separate process, " + what +
      "; the file is damaged, or was made to do that. h5py may be able to save its intact parts elsewhere.");
}

/// Runs `work` in the separate process and turns every failure into a sentence about the file.
base::Handed handed_over(const std::string& where, const std::function<std::string(base::Outbox&)>& work) {
  try {
    return base::do_apart(work);
  } catch (const base::WorkFailed& failed) {
    throw ReadError(failed.what());
  } catch (const base::WorkKilled& killed) {
    refuse_broken(where, killed.what());
  }
}

/// Returns the bytes of a file from `place` on.
base::Room read_in_place(const std::filesystem::path& path, const std::string& where, std::int64_t place,
                         std::uint64_t bytes) {
  const base::Descriptor file(base::retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!file.open()) throw ReadError(where + ": cannot be read (" + std::strerror(errno) + ").");
  base::Room room = base::own_room(bytes);
  constexpr std::uint64_t kPiece = std::uint64_t{64} << 20;
  for (std::uint64_t done = 0; done < bytes;) {
    base::stop_if_interrupted();
    const ssize_t got = base::retried([&] {
      return ::pread(file.get(), room.bytes.get() + done, std::min(bytes - done, kPiece),
                     static_cast<off_t>(static_cast<std::uint64_t>(place) + done));
    });
    if (got < 0) throw ReadError(where + ": cannot be read (" + std::strerror(errno) + ").");
    if (got == 0)
      throw ReadError(
          fmt::format("{}: expected {} bytes of elements, found {}; the file is truncated or damaged.", where,
                      bytes, done));
    done += static_cast<std::uint64_t>(got);
  }
  return room;
}

constexpr auto kLastElement = static_cast<std::int64_t>(Element::kFloat64);
constexpr std::int64_t kMostSize = std::int64_t{1} << 62;

}  // namespace

Array read_hdf5(const std::filesystem::path& path, const std::string& path_inside,
                std::vector<std::string>* notes, const Bounds& bounds) {
  const std::string where = path.string() + " (dataset " + path_inside + ")";
  Bounds here = bounds;
  here.memory = bounds.bytes();  // the separate process has its own bounds
  base::Handed handed =
      handed_over(where, [&](base::Outbox& outbox) { return read_apart(path, path_inside, here, outbox); });
  Array array;
  bool is_unsigned = false;
  std::int64_t place = kNoPlace;
  try {
    base::FieldReader told(handed.text);
    place = told.number(kNoPlace, kMostSize);
    array.element = static_cast<Element>(told.number(0, kLastElement));
    array.shape = told.numbers(0, kMostSize);
    is_unsigned = told.number(0, 1) != 0;
    while (told.has_more())
      if (std::string note = told.text(); notes != nullptr && !note.empty())
        notes->push_back(std::move(note));
  } catch (const std::out_of_range&) {
    refuse_broken(where, "answered nothing sensible");
  }
  const std::uint64_t bytes = byte_count(where, array.shape, array.element);
  if (place != kNoPlace) {
    if (bounds.in_place) {
      array.bytes = bytes_in_place(path, where, static_cast<std::uint64_t>(place), bytes);
      array.in_place = true;
      if (array.element == Element::kBool || is_unsigned)
        refuse_in_place(where, "bool or unsigned 64-bit values", "store them as uint8 or int64");
      return array;
    }
    check_fits(where, bytes, bounds);
    handed.room = read_in_place(path, where, place, bytes);
  }
  if (bytes != handed.room.size) refuse_broken(where, "gave another number of bytes than it said");
  array.bytes = ArrayBytes(std::move(handed.room));
  if (array.element == Element::kBool)
    for (auto& byte : array.bytes) byte = byte != 0;
  if (is_unsigned) check_signed_range(array, where);
  return array;
}

std::vector<Hdf5Entry> hdf5_entries(const std::filesystem::path& path) {
  const base::Handed handed = handed_over(path.string(), [&](base::Outbox&) { return list_apart(path); });
  std::vector<Hdf5Entry> entries;
  try {
    for (base::FieldReader told(handed.text); told.has_more();) {
      Hdf5Entry& entry = entries.emplace_back();
      entry.path = told.text();
      entry.shape = told.numbers(0, kMostSize);
      const std::int64_t element = told.number(kNotNumeric, kLastElement);
      entry.is_numeric = element != kNotNumeric;
      if (entry.is_numeric) entry.element = static_cast<Element>(element);
    }
  } catch (const std::out_of_range&) {
    refuse_broken(path.string(), "answered nothing sensible");
  }
  return entries;
}

}  // namespace variform::data
