// See file.h.

#include "config/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace variform::config {
namespace fs = std::filesystem;
namespace {

// What errno was when not everything could be written; 0: all is.
int write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

// A new file beside `path`; -1 and errno if there can be none.
int open_temporary(const fs::path& path, fs::path& temporary) {
  for (int number = 0;; ++number) {
    temporary = path;
    temporary.replace_filename("." + path.filename().string() + ".tmp-" + std::to_string(::getpid()) + "-" +
                               std::to_string(number));
    const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file >= 0 || errno != EEXIST) return file;
  }
}

fs::path folder_beside(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// The errno of a small file that cannot be made beside `path` and written; 0: it could, and is gone again.
int try_temporary(const fs::path& path) {
  constexpr std::array<std::byte, 512> kBlock{};
  fs::path temporary;
  const int file = open_temporary(path, temporary);
  if (file < 0) return errno;
  int problem = write_all(file, kBlock);
  if (::close(file) != 0 && problem == 0) problem = errno;
  ::unlink(temporary.c_str());
  return problem;
}

int try_to_place(const WriteTarget& target, const PlannedFile& planned) {
  std::error_code error;
  if (fs::is_directory(target.path, error)) return EISDIR;
  if (target.is_special) return ::access(target.path.c_str(), W_OK) == 0 ? 0 : errno;
  fs::path folder = folder_beside(target.path);
  while (planned.makes_folders && !fs::exists(folder, error) && folder.has_parent_path() &&
         folder.parent_path() != folder)
    folder = folder.parent_path();
  if (planned.makes_folders && folder.is_relative() && !fs::exists(folder, error)) folder = ".";
  if (const int problem = try_temporary(folder / target.path.filename())) return problem;
  const fs::space_info space = fs::space(folder, error);
  if (!error && space.available < planned.bytes) return ENOSPC;
  rlimit limit{};
  const bool is_limited = ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return is_limited && limit.rlim_cur < planned.bytes ? EFBIG : 0;
}

// Besides another place, which helps always; empty: nothing else does.
std::string way_out(int problem, const fs::path& path) {
  switch (problem) {
    case ENOENT: return "create the folder \"" + folder_beside(path).string() + "\" first";
    case ENOSPC:
    case EDQUOT: return "free some space";
    case EISDIR:
    case ENOTDIR:
    case EROFS: return {};
    case EFBIG: return "raise the limit of file sizes (ulimit -f)";
    default: return "see to its permissions";
  }
}

}  // namespace

void fail_on_file(const std::string& what, const fs::path& path, int error) {
  throw std::runtime_error("cannot " + what + " " + path.string() + ": " + std::strerror(error) +
                           (error == ENOSPC ? "; free some space or choose another folder with --runs" : ""));
}

WriteTarget write_target(const fs::path& path) {
  std::error_code error;
  WriteTarget target{path};
  constexpr int kMostLinks = 40;
  for (int links = 0; links < kMostLinks && fs::is_symlink(target.path, error); ++links) {
    const fs::path to = fs::read_symlink(target.path, error);
    target.path = to.is_absolute() ? to : target.path.parent_path() / to;
  }
  const fs::file_status status = fs::status(target.path, error);
  target.is_special = fs::is_other(status);  // neither a file nor a folder
  return target;
}

int try_write_file(const fs::path& path, std::span<const std::byte> bytes) {
  const WriteTarget target = write_target(path);
  fs::path temporary;
  const int file = target.is_special ? ::open(target.path.c_str(), O_WRONLY | O_CLOEXEC)
                                     : open_temporary(target.path, temporary);
  if (file < 0) return errno;
  int problem = write_all(file, bytes);
  if (problem == 0 && !target.is_special && ::fsync(file) != 0) problem = errno;
  if (::close(file) != 0 && problem == 0) problem = errno;
  if (target.is_special) return problem;
  if (problem == 0 && ::rename(temporary.c_str(), target.path.c_str()) != 0) problem = errno;
  if (problem != 0) ::unlink(temporary.c_str());
  return problem;
}

void write_text_file(const fs::path& path, std::string_view text) {
  if (const int problem = try_write_file(path, std::as_bytes(std::span(text))))
    fail_on_file("write", path, problem);
}

void require_writable(const fs::path& path, const PlannedFile& planned) {
  const int problem = try_to_place(write_target(path), planned);
  if (problem == 0) return;
  const std::string advice = way_out(problem, path);
  throw std::runtime_error("cannot write " + path.string() + ": " + std::strerror(problem) + "; " +
                           (advice.empty() ? "" : advice + ", or ") + "name another place with " +
                           planned.option + ". Nothing has been done yet.");
}

void append_text(const fs::path& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) fail_on_file("open", path, errno);
  const int problem = write_all(file, std::as_bytes(std::span(text)));
  ::close(file);
  if (problem != 0) fail_on_file("write", path, problem);
}

}  // namespace variform::config
