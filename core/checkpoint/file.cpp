// POSIX calls rather than streams: only they say what went wrong, and only they can fsync.
#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "config/file.h"

namespace variform::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporarySuffix = ".variform-tmp";

template <typename Call>
auto retried(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags)
      : fd_(retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); })) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool open() const { return fd_ >= 0; }
  int get() const { return fd_; }
  // Not retried: on Linux the descriptor is gone even if close says EINTR.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0 || errno == EINTR; }

 private:
  int fd_;
};

// Removes the temporary file unless it has become the real one.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!kept_) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const fs::path& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  fs::path path_;
  bool kept_ = false;
};

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

std::string readable(std::uintmax_t bytes) {
  constexpr std::array kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string free_space(const fs::path& folder) {
  std::error_code ignored;
  const fs::space_info space = fs::space(folder, ignored);
  return ignored ? "free space there is unknown" : readable(space.available) + " are free there";
}

std::string advice(int reason, const fs::path& folder, std::uintmax_t needed) {
  const std::string where = "\"" + folder.string() + "\"";
  switch (reason) {
    case ENOSPC:
    case EDQUOT: return "free at least " + readable(needed) + " in " + where + " or choose another folder";
    case EFBIG: return "raise the file size limit (ulimit -f) above " + readable(needed);
    case EACCES:
    case EPERM: return "make the folder " + where + " writable or choose another one";
    case EROFS: return "the file system is read-only, choose another folder";
    case ENOENT: return "create the folder " + where + " first";
    case ENOTDIR: return "part of the path is a file, choose another folder";
    default: return "check the disk or choose another folder";
  }
}

[[noreturn]] void fail(const fs::path& path, const std::string& what, int reason, std::uintmax_t needed,
                       bool renamed = false) {
  const fs::path folder = folder_of(path);
  std::error_code ignored;
  const std::string kept = renamed ? "the new file is in place but may not survive a power cut"
                           : fs::exists(path, ignored) ? "the former file is untouched"
                                                       : "no file was left behind";
  throw Error("\"" + path.string() + "\" (" + readable(needed) + ") could not be written: " + what + ": " +
              std::strerror(reason) + "; " + free_space(folder) + "; " + kept + "; " +
              advice(reason, folder, needed) + ".");
}

// Another writer of the same name (or a dead one with a recycled process id) makes a number taken.
fs::path unused_temporary(const fs::path& path) {
  const std::string stem = "." + path.filename().string() + "." + std::to_string(::getpid()) + "-";
  for (int number = 0;; ++number) {
    fs::path candidate = folder_of(path) / (stem + std::to_string(number) + std::string(kTemporarySuffix));
    struct stat status;
    if (::lstat(candidate.c_str(), &status) != 0) return candidate;
  }
}

// `done` counts, over several calls.
void write_all(const Descriptor& file, const std::vector<Placed>& pieces, std::uint64_t size,
               std::size_t& done, const fs::path& path) {
  constexpr std::size_t kMost = std::size_t{1} << 26;
  for (auto [at, bytes] : pieces) {
    while (!bytes.empty()) {
      const ssize_t written = retried([&] {
        return ::pwrite(file.get(), bytes.data(), std::min(bytes.size(), kMost), static_cast<off_t>(at));
      });
      if (written <= 0) {  // 0 is no progress on a regular file
        const int reason = written == 0 ? EIO : errno;
        fail(path, "writing stopped after " + readable(done), reason, size);
      }
      const auto count = static_cast<std::size_t>(written);
      bytes = bytes.subspan(count);
      at += count;
      done += count;
    }
  }
}

// The disk may begin with what is written so far; a wish, whose failure fsync() will tell.
void start_flushing([[maybe_unused]] const Descriptor& file) {
#if defined(__linux__)
  ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
}

// Makes a finished temporary file durable, then the real one.
void publish(Descriptor& file, Temporary& temporary, const fs::path& path, std::uintmax_t size) {
  if (retried([&] { return ::fsync(file.get()); }) != 0) fail(path, "flushing to disk failed", errno, size);
  if (!file.close()) fail(path, "closing the temporary file failed", errno, size);
  if (::rename(temporary.path().c_str(), path.c_str()) != 0)
    fail(path, "renaming the temporary file failed", errno, size);
  temporary.keep();
  const Descriptor folder(folder_of(path), O_RDONLY | O_DIRECTORY);
  const bool synced = folder.open() && retried([&] { return ::fsync(folder.get()); }) == 0;
  // EINVAL: a file system that cannot sync folders; EACCES: a folder that may be written but not listed.
  if (!synced && errno != EINVAL && errno != EACCES)
    fail(path, "flushing the folder to disk failed", errno, size, true);
}

// A character device, such as /dev/null, takes bytes wherever they belong; what is a stream does not.
void write_to_device(std::uint64_t size, const std::vector<Placed>& first, const std::vector<Placed>& rest,
                     const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_character_file(path, ignored))
    throw Error("\"" + path.string() +
                "\" is no regular file, and what is written in pieces needs one; name another.");
  const Descriptor file(path, O_WRONLY);
  if (!file.open()) fail(path, "it cannot be opened", errno, size);
  std::size_t done = 0;
  write_all(file, first, size, done, path);
  write_all(file, rest, size, done, path);
}

}  // namespace

void commit(std::span<const std::byte> bytes, const fs::path& path) {
  commit(
      bytes.size(), {{0, bytes}}, [] { return std::vector<Placed>(); }, path);
}

void commit(std::uint64_t size, const std::vector<Placed>& first,
            const std::function<std::vector<Placed>()>& rest, const fs::path& named) {
  const config::WriteTarget target = config::write_target(named);
  const fs::path& path = target.path;
  if (target.is_special) {
    write_to_device(size, first, rest(), path);
    return;
  }
  const fs::path temporary_path = unused_temporary(path);
  Descriptor file(temporary_path, O_WRONLY | O_CREAT | O_EXCL);
  if (!file.open()) fail(path, "no temporary file can be created beside it", errno, size);
  Temporary temporary(temporary_path);
  std::size_t done = 0;
  write_all(file, first, size, done, path);
  start_flushing(file);
  write_all(file, rest(), size, done, path);
  publish(file, temporary, path, size);
}

bool commit(const std::function<bool(const fs::path&)>& fill, const fs::path& named) {
  const fs::path path = config::write_target(named).path;
  std::error_code unknown;
  if (fs::exists(path, unknown) && !fs::is_regular_file(path, unknown))
    throw Error("\"" + path.string() +
                "\" is no regular file, and what is written in pieces needs one; name another.");
  Temporary temporary(unused_temporary(path));
  if (!fill(temporary.path())) return false;
  std::error_code ignored;
  const std::uintmax_t size = fs::file_size(temporary.path(), ignored);
  Descriptor file(temporary.path(), O_RDONLY);
  if (!file.open()) fail(path, "the temporary file cannot be opened again", errno, size);
  publish(file, temporary, path, size);
  return true;
}

void fail_to_write(const fs::path& path, const std::string& what, int reason, std::uintmax_t needed) {
  fail(path, what, reason, needed);
}

int clean_temporaries(const fs::path& folder) {
  std::vector<fs::path> left;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with('.') && name.ends_with(kTemporarySuffix)) left.push_back(entry->path());
  }
  int removed = 0;
  for (const fs::path& path : left) removed += !error && fs::remove(path, error);
  if (error) {
    throw Error("temporary files in \"" + folder.string() + "\" could not be removed: " + error.message() +
                "; check that the folder exists and is writable.");
  }
  return removed;
}

void read_file(const fs::path& path, const std::function<void(std::span<const std::byte>)>& consume) {
  const auto refuse = [&path](int reason) {
    throw Error("\"" + path.string() + "\" could not be read: " + std::strerror(reason) +
                "; check the path and its permissions.");
  };
  const Descriptor file(path, O_RDONLY);
  if (!file.open()) refuse(errno);
  std::vector<std::byte> piece(std::size_t{1} << 20);
  for (;;) {
    const ssize_t count = retried([&] { return ::read(file.get(), piece.data(), piece.size()); });
    if (count < 0) refuse(errno);
    if (count == 0) return;
    consume(std::span(piece).first(static_cast<std::size_t>(count)));
  }
}

std::vector<std::byte> read_file(const fs::path& path) {
  std::vector<std::byte> all;
  std::error_code ignored;
  const std::uintmax_t size = fs::file_size(path, ignored);
  if (!ignored) all.reserve(size);
  read_file(path,
            [&all](std::span<const std::byte> bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); });
  return all;
}

}  // namespace variform::checkpoint
