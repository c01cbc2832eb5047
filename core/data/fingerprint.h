#pragma once
// A digest of everything that was read, at the speed of memory, to tell data apart. It does not protect against people
// who change data on purpose; descriptions have SHA-256 for that.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "data/readers/array.h"

struct XXH3_state_s;  // of xxhash.h

namespace variform::data {

/// XXH3 with 128 bits over arrays and texts in order.
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

/// Returns the fingerprint of a file's bytes, 32 hexadecimal digits; empty if it is not a readable file.
std::string fingerprint_of_file(const std::filesystem::path& path);

}  // namespace variform::data
