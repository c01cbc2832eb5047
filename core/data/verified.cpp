// See verified.h.

#include "data/verified.h"

#include <cstdint>
#include <system_error>

#include <fmt/format.h>

#include "base/remembered.h"
#include "base/sha256.h"
#include "data/readers/array.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kRememberedBytes = std::uintmax_t{1} << 24;

/// Returns the name under which "verified" is remembered; empty for small files, which are read again as fast.
std::string name_of(const fs::path& path, const std::string& expected) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(path, error);
  const auto changed = fs::last_write_time(path, error).time_since_epoch().count();
  if (error || bytes < kRememberedBytes) return {};
  return base::sha256(
      fmt::format("{}\n{}\n{}\n{}", fs::canonical(path, error).string(), bytes, changed, expected));
}

}  // namespace

void verify_sha256(const fs::path& path, const std::string& expected) {
  const base::Remembered verified("verified");
  const std::string name = name_of(path, expected);
  if (!name.empty() && verified.find(name)) return;
  const std::string found = base::sha256_file(path);
  if (found != expected)
    throw ReadError(
        path.string() + ": expected SHA-256 " + expected + " as its description says, found " + found +
        "; it is another file, or damaged. Get it again, or change the description if this is meant.");
  if (!name.empty()) verified.keep(name, {});
}

}  // namespace variform::data
