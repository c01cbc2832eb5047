#pragma once
// The part of HDF5's C interface that checkpoints need, with owners for its handles and exceptions for its codes.

#include <hdf5.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace variform::base::hdf5 {

// While it lives, HDF5 does not print its errors (of this thread) to stderr.
class Silence {
 public:
  Silence();
  ~Silence();
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// Throws Error "`what`: HDF5's own innermost message" if `code` signals failure.
template <typename Code>
Code check(Code code, const std::string& what);

class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle(hid_t id, Close close, const std::string& what) : id_(check(id, what)), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const { return id_; }  // NOLINT: a handle is its id

 private:
  hid_t id_;
  Close close_;
};

// Opens a file in memory; to write one, see hdf5_image.h.
Handle open_file(std::span<const std::byte> image);  // `image` must outlive the handle

Handle text_type();
void write_text(hid_t object, const std::string& name, const std::string& value);
std::string read_text(hid_t object, const std::string& name);
std::vector<std::string> attribute_names(hid_t object);

// Returns the names of a group's members in byte order; throws on soft and external links, which lead out of the file.
std::vector<std::string> member_names(hid_t group);

[[noreturn]] void fail(const std::string& what);

template <typename Code>
Code check(Code code, const std::string& what) {
  if (code < 0) fail(what);
  return code;
}

}  // namespace variform::base::hdf5
