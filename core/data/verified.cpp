// See verified.h.

#include "data/verified.h"

#include <cstdint>
#include <cstdlib>
#include <system_error>

#include "base/file.h"
#include "checkpoint/sha256.h"
#include "data/readers/array.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kRememberedBytes = std::uintmax_t{1} << 24;

/// An empty file there stands for "verified"; empty where nothing can be remembered.
fs::path mark_of(const fs::path& path, const std::string& expected) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (cache != nullptr && fs::path(cache).is_absolute()) folder = cache;
  else if (home != nullptr && fs::path(home).is_absolute()) folder = fs::path(home) / ".cache";
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(path, error);
  const auto changed = fs::last_write_time(path, error).time_since_epoch().count();
  if (folder.empty() || error || bytes < kRememberedBytes) return {};
  return folder / "variform" / "verified" /
         checkpoint::sha256(fs::canonical(path, error).string() + "\n" + std::to_string(bytes) + "\n" +
                            std::to_string(changed) + "\n" + expected);
}

}  // namespace

void verify_sha256(const fs::path& path, const std::string& expected) {
  const fs::path mark = mark_of(path, expected);
  std::error_code error;
  if (!mark.empty() && fs::exists(mark, error)) return;
  const std::string found = checkpoint::sha256_file(path);
  if (found != expected)
    throw ReadError(
        path.string() + ": expected SHA-256 " + expected + " as its description says, found " + found +
        "; it is another file, or damaged. Get it again, or change the description if this is meant.");
  if (mark.empty()) return;
  fs::create_directories(mark.parent_path(), error);
  base::try_write_file(mark, {});  // where that fails, the file is read again next time
}

}  // namespace variform::data
