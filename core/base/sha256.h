#pragma once
// SHA-256 (FIPS 180-4): the fingerprint of checkpoint contents and of plugin files.
// Uses the CPU's SHA instructions where there are some (about 5 times the portable speed).

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace variform::base {

class Sha256 {
 public:
  // kPortable exists so that tests hold both implementations against the same vectors.
  enum class Implementation { kFastest, kPortable };

  explicit Sha256(Implementation implementation = Implementation::kFastest);

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }

  // Ends the message: 64 lower-case hexadecimal digits. The object is spent after that.
  std::string hex();

 private:
  using Compress = void (*)(std::array<std::uint32_t, 8>& state, const std::byte* blocks, std::size_t count);

  std::array<std::uint32_t, 8> state_;
  std::array<std::byte, 64> pending_;  // the first length_ % 64 bytes wait for a full block
  std::uint64_t length_ = 0;
  Compress compress_;
};

std::string sha256(std::span<const std::byte> bytes);
std::string sha256(std::string_view text);

// Throws base::Error if the file cannot be read.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace variform::base
