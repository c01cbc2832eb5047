// See run_files.h.

#include "serve/run_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/retry.h"

namespace variform::serve {
namespace fs = std::filesystem;
namespace {

// Returns up to `most` bytes from byte `from` on.
std::optional<std::string> bytes_in(const base::Descriptor& file, std::uint64_t from, std::uint64_t most) {
  struct stat status {};
  if (!file.open() || ::fstat(file.get(), &status) != 0) return {};
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::string text(from < size ? std::min(size - from, most) : 0, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = base::retried([&] {
      return ::pread(file.get(), text.data() + done, text.size() - done, static_cast<off_t>(from + done));
    });
    if (got < 0) return {};
    if (got == 0) break;  // it has become shorter meanwhile
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

// Whether a process has the file with that mark open.
bool has_open(const fs::path& process, const Mark& mark, std::error_code& error) {
  for (fs::directory_iterator at(process / "fd", error), end; !error && at != end; at.increment(error)) {
    struct stat status {};
    if (::stat(at->path().c_str(), &status) == 0 && status.st_dev == mark.device &&
        status.st_ino == mark.file)
      return true;
  }
  return false;
}

}  // namespace

Mark mark_of(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  return {status.st_dev,           status.st_ino,          static_cast<std::uint64_t>(status.st_size),
          status.st_mtim.tv_sec,   status.st_mtim.tv_nsec, S_ISREG(status.st_mode),
          S_ISDIR(status.st_mode), S_ISLNK(status.st_mode)};
}

std::optional<std::string> piece_of(const fs::path& path, std::uint64_t from, std::uint64_t most) {
  return bytes_in(base::Descriptor(base::open_own(path.c_str(), O_RDONLY)), from, most);
}

std::optional<std::string> file_below(const fs::path& folder, const std::string& below,
                                      const std::string& name, std::uint64_t most) {
  constexpr int kHow = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  const base::Descriptor outer(base::retried([&] { return ::open(folder.c_str(), kHow); }));
  if (!outer.open()) return {};
  const base::Descriptor inner(base::retried([&] { return ::openat(outer.get(), below.c_str(), kHow); }));
  if (!inner.open() || name.find('/') != std::string::npos) return {};
  const base::Descriptor file(base::open_own(name.c_str(), O_RDONLY, inner.get()));
  std::optional<std::string> bytes = bytes_in(file, 0, most + 1);
  if (bytes && bytes->size() > most) return {};
  return bytes;
}

std::optional<bool> is_held(const fs::path& lock) {
  const Mark mark = mark_of(lock);
  if (!mark.is_regular) return false;
  constexpr std::uint64_t kMost = 300;
  const std::string text = piece_of(lock, 0, kMost).value_or("");  // "4711 node7"
  const std::size_t space = text.find(' ');
  const std::string host =
      space == std::string::npos ? "" : text.substr(space + 1, text.find('\n') - space - 1);
  const long process = std::strtol(text.c_str(), nullptr, 10);
  if (process <= 0 || host != base::host_name()) return {};
  const fs::path folder = "/proc/" + std::to_string(process);
  if (!mark_of(folder).is_there()) return false;
  std::error_code error;
  const bool found = has_open(folder, mark, error);
  if (error) return {};  // somebody else's process
  return found;
}

}  // namespace variform::serve
