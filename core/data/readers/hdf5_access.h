#pragma once
// Helpers for opening an HDF5 file: handles that close themselves, locks, compression.

#include <hdf5.h>

#include <filesystem>
#include <string>

namespace variform::data::hdf5_access {

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

/// Returns the innermost reason on HDF5's error stack.
std::string reason();

/// Keeps other files away from a dataset: links to them are not followed, and plugins for compression are not loaded
/// unless HDF5_PLUGIN_PATH names a folder of them.
class OneFile {
 public:
  OneFile();
  /// The access list for H5Dopen2. With `follow`, links to other files are followed.
  hid_t access(bool follow);
  /// The other file named by a link that was not followed; empty: none.
  const std::string& refused() const { return refused_; }

 private:
  Handle access_;
  std::string refused_;
};

/// Opens for reading; the caller closes with H5Fclose. Refuses a file that another process is writing, and names that
/// process. Where the file system has no locks it reads without one, and `note` says so. Throws ReadError.
hid_t open(const std::filesystem::path& path, std::string& note);

/// Throws ReadError, beginning with `where`, when the library lacks the dataset's compression. Registers LZF, which
/// h5py calls "lzf".
void check_compression(const std::string& where, hid_t dataset);

}  // namespace variform::data::hdf5_access
