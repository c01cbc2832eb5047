// A "virtual file driver" in HDF5's terms: HDF5 writes through the functions below as it would to a disk. They never
// fail, so HDF5 1.10 never gets into the states in which it cannot close a file.
#include "base/hdf5_image.h"

#include <H5FDpublic.h>

#include <algorithm>
#include <cstring>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

namespace variform::base::hdf5 {
namespace {

constexpr std::uint64_t kPage = std::uint64_t{1} << 16;

struct File {
  H5FD_t base;  // HDF5's own part, first
  Image* image;
};

Image& image_of(const H5FD_t* file) { return *reinterpret_cast<const File*>(file)->image; }

H5FD_t* open(const char*, unsigned, hid_t access, haddr_t) {
  Image* const* image = static_cast<Image* const*>(H5Pget_driver_info(access));
  auto file = std::make_unique<File>();
  file->image = *image;
  return &file.release()->base;
}

herr_t close(H5FD_t* file) {
  const std::unique_ptr<File> owned(reinterpret_cast<File*>(file));
  return 0;
}

herr_t query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA;
  return 0;
}

haddr_t allocated(const H5FD_t* file, H5FD_mem_t) { return image_of(file).allocated; }
haddr_t end(const H5FD_t* file, H5FD_mem_t) { return image_of(file).end; }

herr_t allocate(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  image_of(file).allocated = address;
  return 0;
}

herr_t read(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t size, void* buffer) {
  image_of(file).read(address, {static_cast<std::byte*>(buffer), size});
  return 0;
}

herr_t write(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t size, const void* buffer) {
  image_of(file).write(address, {static_cast<const std::byte*>(buffer), size});
  return 0;
}

herr_t truncate(H5FD_t* file, hid_t, hbool_t) {
  image_of(file).end = image_of(file).allocated;
  return 0;
}

// Field by field: later versions of HDF5 have more of them, in another order.
hid_t driver() {
  static const hid_t registered = [] {
    static H5FD_class_t made = {};
#if H5_VERSION_GE(1, 13, 0)
    made.version = H5FD_CLASS_VERSION;
    made.value = 600;  // from the range that anybody may use
#endif
    made.name = "variform-image";
    made.maxaddr = haddr_t{1} << 62;
    made.fc_degree = H5F_CLOSE_STRONG;
    made.fapl_size = sizeof(Image*);  // NOLINT(bugprone-sizeof-expression): a pointer is what is kept
    made.open = open;
    made.close = close;
    made.query = query;
    made.get_eoa = allocated;
    made.set_eoa = allocate;
    made.get_eof = end;
    made.read = read;
    made.write = write;
    made.truncate = truncate;
    std::fill(std::begin(made.fl_map), std::end(made.fl_map), H5FD_MEM_DEFAULT);
    return H5FDregister(&made);
  }();
  return check(registered, "memory driver");
}

}  // namespace

Image::Image(const std::vector<Bytes>& lent) {
  for (const Bytes bytes : lent) lent_[bytes.data()] = std::max(lent_[bytes.data()], bytes.size());
}

Handle Image::create() {
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "file access list");
  const Image* self = this;
  check(H5Pset_driver(access, driver(), &self), "memory driver");
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "file creation list");
  check(H5Pset_obj_track_times(creation, false), "file without times");
  return {H5Fcreate("checkpoint", H5F_ACC_TRUNC, creation, access), H5Fclose, "file in memory"};
}

bool Image::is_lent(Bytes bytes) const {
  auto found = lent_.upper_bound(bytes.data());
  if (found == lent_.begin()) return false;
  --found;
  return bytes.data() + bytes.size() <= found->first + found->second;
}

void Image::write(std::uint64_t address, Bytes bytes) {
  end = std::max(end, address + bytes.size());
  if (borrows(bytes)) {
    borrowed_[address] = bytes;
    return;
  }
  while (!bytes.empty()) {
    const std::uint64_t at = address % kPage;
    const std::size_t count = std::min<std::size_t>(bytes.size(), kPage - at);
    std::vector<std::byte>& page = written_[address - at];
    page.resize(kPage);
    std::memcpy(page.data() + at, bytes.data(), count);
    bytes = bytes.subspan(count);
    address += count;
  }
}

// Fills `into` with what was copied; zeros where nothing was.
void Image::copy(std::uint64_t address, std::span<std::byte> into) const {
  while (!into.empty()) {
    const std::uint64_t at = address % kPage;
    const std::size_t count = std::min<std::size_t>(into.size(), kPage - at);
    if (const auto page = written_.find(address - at); page != written_.end())
      std::memcpy(into.data(), page->second.data() + at, count);
    else std::memset(into.data(), 0, count);
    into = into.subspan(count);
    address += count;
  }
}

void Image::read(std::uint64_t address, std::span<std::byte> into) const {
  copy(address, into);
  const std::uint64_t last = address + into.size();
  for (const auto& [start, bytes] : borrowed_) {
    const std::uint64_t from = std::max(start, address), to = std::min(start + bytes.size(), last);
    if (from < to) std::memcpy(into.data() + (from - address), bytes.data() + (from - start), to - from);
  }
}

std::vector<Bytes> Image::pieces() {
  std::vector<Bytes> all;
  std::uint64_t done = 0;
  const auto fill = [&](std::uint64_t until) {
    if (until == done) return;
    std::vector<std::byte>& made = between_.emplace_back(until - done);
    copy(done, made);
    all.emplace_back(made);
  };
  for (const auto& [start, bytes] : borrowed_) {
    fill(start);
    all.push_back(bytes);
    done = start + bytes.size();
  }
  fill(end);
  return all;
}

}  // namespace variform::base::hdf5
