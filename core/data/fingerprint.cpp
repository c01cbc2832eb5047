// See fingerprint.h.

#include "data/fingerprint.h"

#include <xxhash.h>

#include <algorithm>
#include <fstream>
#include <new>
#include <vector>

#include <fmt/format.h>

#include "base/interrupt.h"
#include "base/mapped.h"

namespace variform::data {

void Fingerprint::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

Fingerprint::Fingerprint() : state_(XXH3_createState()) {
  if (!state_ || XXH3_128bits_reset(state_.get()) != XXH_OK) throw std::bad_alloc();
}

Fingerprint::~Fingerprint() = default;

void Fingerprint::add(const Array& array) {
  add(std::string(to_string(array.element)) + " " + describe_shape(array.shape));
  if (!array.in_place) {
    XXH3_128bits_update(state_.get(), array.bytes.data(), array.bytes.size());
    return;
  }
  constexpr std::size_t kPiece = std::size_t{64} << 20;
  for (std::size_t first = 0; first < array.bytes.size(); first += kPiece) {
    base::stop_if_interrupted();
    const std::uint8_t* piece = array.bytes.data() + first;
    const std::size_t size = std::min(kPiece, array.bytes.size() - first);
    base::foresee(piece, size);
    XXH3_128bits_update(state_.get(), piece, size);
    base::forget(piece, size);
  }
}

void Fingerprint::add(std::string_view text) {
  const std::uint64_t size = text.size();  // so that texts do not run into each other
  XXH3_128bits_update(state_.get(), &size, sizeof(size));
  XXH3_128bits_update(state_.get(), text.data(), text.size());
}

std::string Fingerprint::hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string fingerprint_of_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return "";
  std::ifstream file(path, std::ios::binary);
  Fingerprint fingerprint;
  for (std::vector<char> piece(std::size_t{1} << 20); file;) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (file.gcount() > 0) fingerprint.add({piece.data(), static_cast<std::size_t>(file.gcount())});
  }
  return file.bad() ? "" : fingerprint.hex();
}

}  // namespace variform::data
