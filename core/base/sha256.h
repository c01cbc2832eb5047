#pragma once
// SHA-256 (FIPS 180-4), by OpenSSL: fingerprints of checkpoints' contents and of plugin files.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace variform::base {

/// A message in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }

  /// Ends the message: 64 lower-case hexadecimal digits. The object is spent after that.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256(std::span<const std::byte> bytes);
std::string sha256(std::string_view text);

/// Throws base::Error if the file cannot be read.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace variform::base
