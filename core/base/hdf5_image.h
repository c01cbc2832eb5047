#pragma once
// An HDF5 file in memory that holds no copy of large data: the writer's counterpart of open_file() in hdf5_file.h.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/hdf5_file.h"

namespace variform::base::hdf5 {

using Bytes = std::span<const std::byte>;

// Remembers by address what HDF5 writes from lent memory and copies everything else. Fill it through create(), close
// that handle, then take pieces().
class Image {
 public:
  static constexpr std::size_t kLent = std::size_t{1} << 16;  // bytes; smaller ones are copied anyway

  // `lent` (any order) must stay as it is until the pieces are used up.
  explicit Image(const std::vector<Bytes>& lent);

  Handle create();  // an empty file, without times

  // Returns the file from its first byte to its last. The spans point into lent memory and into this object.
  std::vector<Bytes> pieces();
  // Whether a piece is lent memory.
  bool borrows(Bytes piece) const { return piece.size() >= kLent && is_lent(piece); }

  // For the driver, with addresses in the file.
  void write(std::uint64_t address, Bytes bytes);
  void read(std::uint64_t address, std::span<std::byte> into) const;
  std::uint64_t end = 0, allocated = 0;

 private:
  bool is_lent(Bytes bytes) const;
  void copy(std::uint64_t address, std::span<std::byte> into) const;

  std::map<const std::byte*, std::size_t> lent_;
  std::map<std::uint64_t, Bytes> borrowed_;                  // by address
  std::map<std::uint64_t, std::vector<std::byte>> written_;  // pages of kPage bytes, by address
  std::vector<std::vector<std::byte>> between_;              // what pieces() made of them
};

}  // namespace variform::base::hdf5
