// See image_file.h.

#include "data/image_file.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include <zlib.h>

#include "base/hdf5_file.h"
#include "base/whole_file.h"

namespace variform::data {

namespace hdf5 = base::hdf5;
using hdf5::check;
using hdf5::Handle;

namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr unsigned kCompression = 1;  // of 9: photographs shrink hardly further, and reading stays fast

Handle created(const std::filesystem::path& path) {
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "file creation list");
  check(H5Pset_obj_track_times(creation, false), "file without times");
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "file access list");
  check(H5Pset_fclose_degree(access, H5F_CLOSE_STRONG), "file access list");
  check(H5Pset_file_locking(access, false, true),
        "file access list");  // a temporary file that nobody else opens
  return {H5Fcreate(path.c_str(), H5F_ACC_EXCL, creation, access), H5Fclose, "creating"};
}

// Creates a dataset in chunks of rows, so that the last of them may be dropped.
Handle create_rows(hid_t file, const std::string& name, hid_t type, std::vector<hsize_t> sizes,
                   hsize_t chunk) {
  const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose, "link list");
  check(H5Pset_create_intermediate_group(links, 1), "link list");
  const Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "data set list");
  check(H5Pset_obj_track_times(creation, false), "data set without times");
  check(H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER), "data set list");
  std::vector<hsize_t> chunks = sizes;
  chunks[0] = chunk;
  check(H5Pset_chunk(creation, static_cast<int>(chunks.size()), chunks.data()), "chunks");
  check(H5Pset_deflate(creation, kCompression), "compression");
  const Handle space(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), H5Sclose,
                     "shape");
  return {H5Dcreate2(file, name.c_str(), type, space, links, creation, H5P_DEFAULT), H5Dclose, name};
}

}  // namespace

struct ImageFile::Open {
  explicit Open(const std::filesystem::path& path) : file(created(path)) {}
  hdf5::Silence silence;
  Handle file;
  std::optional<Handle> images;  // of the split that is being written
};

// HDF5's errors about a failed write help nobody; the system's reason does.
template <class Act>
void ImageFile::guarded(const char* what, Act act) {
  errno = 0;
  try {
    act();
  } catch (const base::Error& error) {
    const int reason = errno;
    if (reason == 0)
      throw base::Error(final_path_.string() + " cannot be written: " + what + ": " + error.what() + ".");
    const auto all = static_cast<std::uintmax_t>(images_) * image_bytes_;
    base::fail_to_write(final_path_, std::string(what) + " failed", reason, all);
  }
}

ImageFile::ImageFile(std::filesystem::path path, std::filesystem::path final_path,
                     std::vector<std::int64_t> shape, std::int64_t images)
    : path_(std::move(path)), final_path_(std::move(final_path)), shape_(std::move(shape)), images_(images) {
  for (std::int64_t side : shape_) image_bytes_ *= static_cast<std::size_t>(side);
  // A file that could not be closed, because the disk is full, stays in HDF5's lists, and HDF5's clean-up at the end of
  // the process would then use memory that is gone. The clean-up is therefore switched off: owners close their handles.
  H5dont_atexit();
  guarded("creating it", [&] { open_ = std::make_unique<Open>(path_); });
}

ImageFile::~ImageFile() = default;

void ImageFile::begin(const std::string& split, std::int64_t at_most) {
  split_ = split;
  at_most_ = at_most;
  count_ = 0;
  chunk_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(kChunkBytes / image_bytes_), 1, at_most);
  pending_.clear();
  pending_.reserve(static_cast<std::size_t>(chunk_) * image_bytes_);
  std::vector<hsize_t> sizes{static_cast<hsize_t>(at_most)};
  sizes.insert(sizes.end(), shape_.begin(), shape_.end());
  guarded("writing", [&] {
    open_->images.emplace(
        create_rows(open_->file, "/" + split + "/x", H5T_STD_U8LE, sizes, static_cast<hsize_t>(chunk_)));
  });
}

void ImageFile::add(std::span<const std::uint8_t> image) {
  pending_.insert(pending_.end(), image.begin(), image.end());
  ++count_;
  if (pending_.size() == static_cast<std::size_t>(chunk_) * image_bytes_) write_rows();
}

// Compressed here and handed over as stored: a chunk that HDF5 compresses stays in its cache when the disk is full, and
// then neither the file nor the library can be closed.
void ImageFile::write_rows() {
  if (pending_.empty()) return;
  const auto first = static_cast<hsize_t>((count_ - 1) / chunk_ * chunk_);
  pending_.resize(static_cast<std::size_t>(chunk_) *
                  image_bytes_);  // the last chunk is as long as all others
  packed_.resize(compressBound(static_cast<uLong>(pending_.size())));
  uLongf size = static_cast<uLongf>(packed_.size());
  if (compress2(packed_.data(), &size, pending_.data(), static_cast<uLong>(pending_.size()), kCompression) !=
      Z_OK)
    throw std::bad_alloc();
  std::vector<hsize_t> start(shape_.size() + 1, 0);
  start[0] = first;
  guarded("writing", [&] {
    check(H5Dwrite_chunk(*open_->images, H5P_DEFAULT, 0, start.data(), size, packed_.data()), "rows");
  });
  pending_.clear();
}

std::int64_t ImageFile::end(std::span<const std::int64_t> labels) {
  write_rows();
  guarded("writing", [&] {
    if (count_ < at_most_) {
      std::vector<hsize_t> sizes{static_cast<hsize_t>(count_)};
      sizes.insert(sizes.end(), shape_.begin(), shape_.end());
      check(H5Dset_extent(*open_->images, sizes.data()), "number of images");
    }
    open_->images.reset();
    if (labels.empty()) return;
    const hsize_t n = labels.size();
    const Handle data = create_rows(open_->file, "/" + split_ + "/labels", H5T_STD_I64LE, {n}, n);
    check(H5Dwrite(data, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels.data()), "labels");
  });
  return count_;
}

void ImageFile::note(const std::string& name, const std::string& text) {
  guarded("writing", [&] { hdf5::write_text(open_->file, name, text); });
}

void ImageFile::close() {
  guarded("writing", [&] { check(H5Fflush(open_->file, H5F_SCOPE_GLOBAL), "flush"); });
  open_.reset();
}

}  // namespace variform::data
