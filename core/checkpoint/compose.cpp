// Turns a Snapshot into the bytes of a file.
#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/hdf5_image.h"
#include "base/whole_file.h"
#include "checkpoint/layout.h"
#include "checkpoint/seal.h"
#include "checkpoint/snapshot.h"

namespace variform::checkpoint {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw base::Error("this state cannot become a checkpoint: " + what + ".");
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

void check_attribute(const std::string& name, const std::string& value) {
  if (name.empty() || has_control_characters(name) || name.find('/') != std::string::npos ||
      name == layout::kFormatAttribute || name == layout::kContentAttribute) {
    refuse("\"" + name + "\" is empty, reserved or has characters that an attribute's name may not have");
  }
  if (value.find('\0') != std::string::npos) refuse("attribute \"" + name + "\" contains a zero byte");
}

void check_path(const std::string& path, const Snapshot& snapshot) {
  if (has_control_characters(path)) refuse("tensor path \"" + path + "\" has control characters");
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    if (part.empty() || part == ".") refuse("tensor path \"" + path + "\" has an empty or \".\" part");
    if (end < path.size() && snapshot.tensors.contains(path.substr(0, end))) {
      refuse("\"" + path.substr(0, end) + "\" is a tensor and also the folder of \"" + path + "\"");
    }
    begin = end + 1;
  }
}

// Returns contiguous CPU tensors, checked.
Snapshot ready_to_store(const Snapshot& snapshot) {
  for (const auto& [name, value] : snapshot.attributes) check_attribute(name, value);
  Snapshot ready = snapshot;
  for (auto& [path, tensor] : ready.tensors) {
    check_path(path, snapshot);
    if (!tensor.defined()) refuse("tensor \"" + path + "\" is undefined");
    if (tensor.layout() != at::kStrided || find_dtype(tensor.scalar_type()) == nullptr) {
      refuse("tensor \"" + path + "\" has type " + std::string(tensor.toString()) +
             ", expected a dense one of float32, float64, bfloat16, int64, int32, uint8, bool");
    }
    tensor = tensor.detach().to(at::kCPU).contiguous();
  }
  return ready;
}

void write_tensor(hid_t file, hid_t links, hid_t creation, const std::string& path,
                  const at::Tensor& tensor) {
  const std::string what = "tensor \"" + path + "\"";
  const std::vector<hsize_t> shape(tensor.sizes().begin(), tensor.sizes().end());
  const base::hdf5::Handle space(
      shape.empty() ? H5Screate(H5S_SCALAR)
                    : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
      H5Sclose, what);
  const base::hdf5::Handle type = layout::file_type(tensor.scalar_type());
  const base::hdf5::Handle dataset(H5Dcreate2(file, path.c_str(), type, space, links, creation, H5P_DEFAULT),
                                   H5Dclose, what);
  if (tensor.numel() > 0) {
    base::hdf5::check(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.const_data_ptr()), what);
  }
  if (tensor.scalar_type() == at::kBFloat16)
    base::hdf5::write_text(dataset, layout::kDtypeAttribute, "bfloat16");
}

void write_content(const base::hdf5::Handle& file, const Snapshot& ready, const std::string& sha256) {
  base::hdf5::write_text(file, layout::kFormatAttribute, std::to_string(kFormatVersion));
  base::hdf5::write_text(file, layout::kContentAttribute, sha256);
  for (const auto& [name, value] : ready.attributes) base::hdf5::write_text(file, name, value);

  const base::hdf5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose, "link list");
  base::hdf5::check(H5Pset_create_intermediate_group(links, 1), "link list");
  base::hdf5::check(H5Pset_char_encoding(links, H5T_CSET_UTF8), "link list");
  const base::hdf5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "data set list");
  base::hdf5::check(H5Pset_obj_track_times(creation, false), "data set without times");
  base::hdf5::check(H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER), "data set list");
  for (const auto& [path, tensor] : ready.tensors) write_tensor(file, links, creation, path, tensor);
}

}  // namespace

// The file after its seal, in memory. It belongs to this namespace, since Composition::State has one.
struct Body {
  base::hdf5::Image image;
  std::vector<std::span<const std::byte>> pieces;

  Body(const Snapshot& ready, const std::vector<std::span<const std::byte>>& lent, const std::string& sha256)
      : image(lent) {
    const base::hdf5::Silence silence;
    try {
      write_content(image.create(), ready, sha256);
      pieces = image.pieces();
    } catch (const base::Error& error) {
      refuse(error.what());
    }
  }

  // Returns the pieces of lent memory, or the others, with their places in the file.
  std::vector<base::Placed> placed(bool lent) const {
    std::vector<base::Placed> found;
    std::uint64_t at = kSealBytes;
    for (const std::span<const std::byte> bytes : pieces) {
      if (image.borrows(bytes) == lent) found.push_back({at, bytes});
      at += bytes.size();
    }
    return found;
  }
};

// The body is made twice, which takes milliseconds: first to know every place, then again with its SHA-256.
struct Composition::State {
  Snapshot ready;
  std::vector<std::span<const std::byte>> lent;
  std::future<KnownPieces> checksums;
  std::future<std::string> sha256;
  std::optional<Body> draft, body;
  std::vector<base::Placed> tensors;
  std::array<std::byte, kSealBytes> seal;
};

Composition::Composition(const Snapshot& snapshot) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.ready = ready_to_store(snapshot);
  for (const auto& [path, tensor] : s.ready.tensors) {
    if (tensor.nbytes() >= base::hdf5::Image::kLent) s.lent.push_back(layout::bytes_of(tensor));
  }
  s.draft.emplace(s.ready, s.lent, std::string(64, '0'));
  s.tensors = s.draft->placed(true);
  s.checksums = std::async(std::launch::async, [&s] { return checksums_of(s.lent); });
  s.sha256 = std::async(std::launch::async, [&s] { return layout::content_sha256(s.ready, kFormatVersion); });
}

Composition::~Composition() = default;

std::uint64_t Composition::size() const { return kSealBytes + state_->draft->image.end; }

const std::vector<base::Placed>& Composition::tensors() const { return state_->tensors; }

std::vector<base::Placed> Composition::rest() {
  State& s = *state_;
  if (!s.body) {
    s.body.emplace(s.ready, s.lent, s.sha256.get());
    if (s.body->placed(true) != s.tensors)
      throw std::logic_error("a checkpoint's tensors moved when its SHA-256 was filled in");
    s.seal = to_bytes(seal_of(s.body->pieces, kFormatVersion, s.checksums.get()));
  }
  std::vector<base::Placed> found = s.body->placed(false);
  found.push_back({0, s.seal});
  return found;
}

std::vector<std::byte> compose_bytes(const Snapshot& snapshot) {
  Composition composition(snapshot);
  std::vector<std::byte> bytes(composition.size());
  for (const std::vector<base::Placed>& pieces : {composition.tensors(), composition.rest()})
    for (const auto& [at, piece] : pieces)
      std::copy(piece.begin(), piece.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  return bytes;
}

void write(Composition& composition, const std::filesystem::path& path) {
  base::commit(
      composition.size(), composition.tensors(), [&] { return composition.rest(); }, path);
}

void write(const Snapshot& snapshot, const std::filesystem::path& path) {
  Composition composition(snapshot);
  write(composition, path);
}

}  // namespace variform::checkpoint
