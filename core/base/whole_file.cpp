// POSIX calls rather than streams: only they say what went wrong, and only they can fsync.
#include "base/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/retry.h"

namespace variform::base {
namespace {

namespace fs = std::filesystem;

using base::Descriptor;
using base::retried;

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

std::string readable(std::uintmax_t bytes) {
  constexpr std::array kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, kUnits[unit]);
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
    case ELOOP: return "remove the link or choose another name";
    case EISDIR:
    case EEXIST: return "choose another name";
    case ENOTDIR: return "part of the path is a file, choose another folder";
    default: return "check the disk or choose another folder";
  }
}

[[noreturn]] void fail(const fs::path& path, const std::string& what, int reason, std::uintmax_t needed,
                       bool renamed = false) {
  const fs::path folder = folder_of(path);
  std::error_code ignored;
  const std::string kept = renamed ? "the new file is in place but may not survive a power cut"
                           : base::is_special(path)    ? "it is not a regular file"
                           : fs::exists(path, ignored) ? "the former file is untouched"
                                                       : "no file was left behind";
  throw Error("\"" + path.string() + "\" (" + readable(needed) + ") could not be written: " + what + ": " +
              base::reason_of(reason) + "; " + free_space(folder) + "; " + kept + "; " +
              advice(reason, folder, needed) + ".");
}

void require_replaceable(const fs::path& path, std::uintmax_t size) {
  if (const int problem = base::not_replaceable(path)) fail(path, "it is not replaced", problem, size);
}

// Writes pieces; `done` counts the bytes of several calls.
void write_all(int file, const std::vector<Placed>& pieces, std::uint64_t size, std::size_t& done,
               const fs::path& path) {
  constexpr std::size_t kMost = std::size_t{1} << 26;
  for (const Placed& piece : pieces) {
    std::uint64_t at = piece.at;
    std::span<const std::byte> bytes = piece.bytes;
    while (!bytes.empty()) {
      const ssize_t written = retried([&] {
        return ::pwrite(file, bytes.data(), std::min(bytes.size(), kMost), static_cast<off_t>(at));
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

// Asks the disk to begin with what is written so far. Only a hint; fsync() reports failures.
void start_flushing([[maybe_unused]] int file) {
#if defined(__linux__)
  ::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
}

// Makes a finished temporary file durable, then the real one.
void publish(base::Temporary& temporary, const fs::path& path, std::uintmax_t size) {
  if (const int problem = temporary.become(path))
    fail(path, "giving the finished file its name failed", problem, size, !fs::exists(temporary.path()));
}

// A place to which bytes go in order: a device, a FIFO, standard output.
class Stream {
 public:
  Stream(const fs::path& path, std::uintmax_t size)
      : path_(path), size_(size), file_(base::open_special(path)) {
    if (!file_.open()) fail(path, "it cannot be opened", errno, size);
  }
  void write(std::span<const std::byte> bytes) {
    if (const int problem = base::write_all(file_.get(), bytes))
      fail(path_, "writing stopped", problem, size_);
  }

 private:
  const fs::path& path_;
  const std::uintmax_t size_;
  const Descriptor file_;
};

void write_to_stream(std::uint64_t size, std::vector<Placed> pieces, const fs::path& path) {
  std::sort(pieces.begin(), pieces.end(), [](const Placed& a, const Placed& b) { return a.at < b.at; });
  Stream stream(path, size);
  std::uint64_t at = 0;
  const auto fill_up = [&](std::uint64_t end) {
    stream.write(std::vector<std::byte>(end > at ? end - at : 0));
    at = std::max(at, end);
  };
  for (const Placed& piece : pieces) {
    fill_up(piece.at);
    stream.write(piece.bytes);
    at += piece.bytes.size();
  }
  fill_up(size);
}

}  // namespace

void commit(std::span<const std::byte> bytes, const fs::path& path) {
  commit(
      bytes.size(), {{0, bytes}}, [] { return std::vector<Placed>(); }, path);
}

void commit(std::uint64_t size, const std::vector<Placed>& first,
            const std::function<std::vector<Placed>()>& rest, const fs::path& path) {
  if (base::is_special(path)) {
    std::vector<Placed> pieces = rest();
    pieces.insert(pieces.end(), first.begin(), first.end());
    write_to_stream(size, std::move(pieces), path);
    return;
  }
  require_replaceable(path, size);
  base::Temporary temporary(folder_of(path), base::Temporary::Kind::kFile);
  if (temporary.error()) fail(path, "no temporary file can be created beside it", temporary.error(), size);
  std::size_t done = 0;
  write_all(temporary.descriptor(), first, size, done, path);
  start_flushing(temporary.descriptor());
  write_all(temporary.descriptor(), rest(), size, done, path);
  publish(temporary, path, size);
}

bool commit(const std::function<bool(const fs::path&)>& fill, const fs::path& path) {
  const bool is_stream = base::is_special(path);
  if (!is_stream) require_replaceable(path, 0);
  base::Temporary temporary(is_stream ? fs::temp_directory_path() : folder_of(path),
                            base::Temporary::Kind::kName);
  if (!fill(temporary.path())) return false;
  if (is_stream) {
    Stream stream(path, fs::file_size(temporary.path()));
    read_file(temporary.path(), [&](std::span<const std::byte> bytes) { stream.write(bytes); });
    return true;
  }
  std::error_code ignored;
  publish(temporary, path, fs::file_size(temporary.path(), ignored));
  return true;
}

void fail_to_write(const fs::path& path, const std::string& what, int reason, std::uintmax_t needed) {
  fail(path, what, reason, needed);
}

void read_file(const fs::path& path, const std::function<void(std::span<const std::byte>)>& consume) {
  const auto refuse = [&path](int reason) {
    throw Error("\"" + path.string() + "\" could not be read: " + std::strerror(reason) +
                "; check the path and its permissions.");
  };
  const Descriptor file(retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
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

}  // namespace variform::base
