#pragma once
// What tells data from other data: a digest of all that was read, at the speed of memory. No protection against somebody
// who changes data on purpose; for that descriptions have SHA-256.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "data/readers/array.h"

struct XXH3_state_s;  // of xxhash.h

namespace variform::data {

/// XXH3 of 128 bits over arrays and texts in their order.
class Fingerprint {
 public:
  Fingerprint();
  ~Fingerprint();

  /// Element type, shape and values.
  void add(const Array& array);
  void add(std::string_view text);
  /// 32 hexadecimal digits.
  std::string hex() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

/// Of a file's bytes as they lie there, 32 hexadecimal digits; empty for what is no readable file.
std::string fingerprint_of_file(const std::filesystem::path& path);

}  // namespace variform::data
