// See remembered.h.

#include "base/remembered.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <span>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "base/contents.h"
#include "base/file.h"

namespace variform::base {
namespace {

namespace fs = std::filesystem;

fs::path cache_folder() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  if (cache && fs::path(cache).is_absolute()) return fs::path(cache) / "variform";
  if (home && fs::path(home).is_absolute()) return fs::path(home) / ".cache" / "variform";
  return {};
}

}  // namespace

Remembered::Remembered(const std::string& sort) {
  const fs::path cache = cache_folder();
  if (!cache.empty()) folder_ = cache / sort;
}

std::optional<std::string> Remembered::find(const std::string& name) const {
  if (folder_.empty()) return {};
  try {
    return contents_of(folder_ / name);
  } catch (const std::runtime_error&) {
    return {};
  }
}

void Remembered::keep(const std::string& name, const std::string& text) const {
  if (folder_.empty()) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  try_write_file(folder_ / name, std::as_bytes(std::span(text)));
}

Remembered::Turn::Turn(const Remembered& remembered, double seconds) {
  if (remembered.folder_.empty()) return;
  std::error_code error;
  fs::create_directories(remembered.folder_, error);
  file_ = ::open((remembered.folder_ / ".turn").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(static_cast<long>(1000 * seconds));
  while (file_ >= 0 && ::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && Clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

Remembered::Turn::~Turn() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace variform::base
