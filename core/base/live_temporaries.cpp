// Uses only fixed memory and system calls: a handler must neither allocate nor take a lock.

#include "base/live_temporaries.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>

namespace variform::base {
namespace {

namespace fs = std::filesystem;

enum State : int { kFree, kBeingWritten, kUsed };

struct Place {
  std::atomic<int> state = kFree;
  std::atomic<pid_t> owner = 0;
  std::array<char, PATH_MAX> path{};
};

constexpr int kPlaces = 64;
std::array<Place, kPlaces> places;  // global for the signal handler

// The entries that the system call getdents64 fills in.
struct Entry {
  std::uint64_t inode;
  std::int64_t next;
  unsigned short length;
  unsigned char type;
  char name[1];
};

void remove_tree(int folder, const char* name, int depth) noexcept;

void remove_contents(int folder, int depth) noexcept {
  alignas(Entry) char buffer[4096];
  // Starts again after each piece, since removing entries changes what follows.
  for (int rounds = 0; rounds < 100; ++rounds) {
    if (::lseek(folder, 0, SEEK_SET) < 0) return;
    const long size = ::syscall(SYS_getdents64, folder, buffer, sizeof buffer);
    bool any = false;
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      at += entry->length;
      if (std::strcmp(entry->name, ".") == 0 || std::strcmp(entry->name, "..") == 0) continue;
      any = true;
      remove_tree(folder, entry->name, depth + 1);
    }
    if (!any) return;
  }
}

void remove_tree(int folder, const char* name, int depth) noexcept {
  constexpr int kDeepest = 8;
  if (::unlinkat(folder, name, 0) == 0 || depth > kDeepest) return;
  const int inner = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (inner < 0) return;
  remove_contents(inner, depth);
  ::close(inner);
  ::unlinkat(folder, name, AT_REMOVEDIR);
}

}  // namespace

int note_live(const fs::path& path) noexcept {
  try {
    std::error_code error;
    const std::string whole = fs::absolute(path, error).string();  // the working folder may change
    if (error || whole.size() >= PATH_MAX) return -1;
    for (int i = 0; i < kPlaces; ++i) {
      Place& place = places[static_cast<std::size_t>(i)];
      int expected = kFree;
      if (!place.state.compare_exchange_strong(expected, kBeingWritten)) continue;
      std::memcpy(place.path.data(), whole.c_str(), whole.size() + 1);
      place.owner = ::getpid();
      place.state = kUsed;
      return i;
    }
  } catch (...) {  // no memory: as if all places were taken
  }
  return -1;
}

void forget_live(int place) noexcept {
  if (place >= 0) places[static_cast<std::size_t>(place)].state = kFree;
}

void remove_live_temporaries() noexcept {
  const pid_t own = ::getpid();
  for (Place& place : places)
    if (place.state == kUsed && place.owner == own) remove_tree(AT_FDCWD, place.path.data(), 0);
}

}  // namespace variform::base
