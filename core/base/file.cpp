// See file.h.

#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/descriptor.h"
#include "base/live_temporaries.h"
#include "base/retry.h"
#include "base/temporary_name.h"

namespace variform::base {
namespace fs = std::filesystem;
namespace {

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Returns the number of the descriptor that a name such as /dev/fd/1 or /dev/stdout stands for.
std::optional<int> descriptor_of(const fs::path& path) {
  const std::string name = path.string();
  if (name == "/dev/stdout") return STDOUT_FILENO;
  if (name == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view prefix : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!name.starts_with(prefix)) continue;
    int number = -1;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data() + prefix.size(), end, number).ptr == end && number >= 0) return number;
  }
  return {};
}

int sync_folder(const fs::path& folder) {
  const int file = retried([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (file < 0) return errno == EACCES ? 0 : errno;  // a folder that may be written but not listed
  const int problem = retried([&] { return ::fsync(file); }) == 0 ? 0 : errno;
  ::close(file);
  return problem == EINVAL ? 0 : problem;  // a file system that cannot sync folders
}

// Creates, writes and removes a small file in `folder`. Returns errno or 0.
int try_temporary(const fs::path& folder) {
  constexpr std::array<std::byte, 512> kBlock{};
  const Temporary temporary(folder, Temporary::Kind::kFile);
  return temporary.error() ? temporary.error() : write_all(temporary.descriptor(), kBlock);
}

int try_to_place(const fs::path& path, const PlannedFile& planned) {
  if (is_special(path)) return descriptor_of(path) || ::access(path.c_str(), W_OK) == 0 ? 0 : errno;
  if (const int problem = not_replaceable(path)) return problem;
  std::error_code error;
  fs::path folder = folder_of(path);
  while (planned.makes_folders && !fs::exists(folder, error) && folder.has_parent_path() &&
         folder.parent_path() != folder)
    folder = folder.parent_path();
  if (planned.makes_folders && folder.is_relative() && !fs::exists(folder, error)) folder = ".";
  if (const int problem = try_temporary(folder)) return problem;
  const fs::space_info space = fs::space(folder, error);
  if (!error && space.available < planned.bytes) return ENOSPC;
  rlimit limit{};
  const bool is_limited = ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return is_limited && limit.rlim_cur < planned.bytes ? EFBIG : 0;
}

// Returns what helps besides another place; empty: nothing else does.
std::string way_out(int problem, const fs::path& path) {
  switch (problem) {
    case ENOENT: return "create the folder \"" + folder_of(path).string() + "\" first";
    case ENOSPC:
    case EDQUOT: return "free some space";
    case ELOOP: return "remove the link";
    case EISDIR:
    case ENOTDIR:
    case EEXIST:
    case EROFS: return {};
    case EFBIG: return "raise the limit of file sizes (ulimit -f)";
    default: return "see to its permissions";
  }
}

// "; free some space, or name another place with --out"
std::string advice_with(const std::string& option, int problem, const fs::path& path) {
  const std::string advice = way_out(problem, path);
  return "; " + (advice.empty() ? "" : advice + ", or ") + "name another place with " + option;
}

bool has_no_locks(int error) {
  return error == ENOLCK || error == ENOTSUP || error == EOPNOTSUPP || error == ENOSYS;
}

}  // namespace

// -------------------------------------------------------------------------------------------------------- places

fs::path followed(const fs::path& path) {
  constexpr int kMostLinks = 40;
  std::error_code error;
  fs::path at = path;
  for (int links = 0; links < kMostLinks && !descriptor_of(at) && fs::is_symlink(at, error); ++links) {
    const fs::path to = fs::read_symlink(at, error);
    at = to.is_absolute() ? to : at.parent_path() / to;
  }
  return at;
}

std::string tilde_problem(std::string_view path) {
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string_view user = path.substr(0, end);  // "~", or "~bob" before a "/"
  const bool is_name = std::all_of(user.begin(), user.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("~._-").find(c) != std::string_view::npos;
  });
  if (!path.starts_with('~') || !is_name || (user != "~" && end == path.size())) return {};
  const char* home = user == "~" ? std::getenv("HOME") : nullptr;
  const std::string rest(path.substr(1));
  return "the \"~\" of " + std::string(path) +
         " stands for a home folder only in a shell, which has not expanded it; write " +
         (home ? home + rest : "the folder's whole path") + ", or ./" + std::string(path) +
         " for a folder of that name";
}

bool is_special(const fs::path& path) {
  if (descriptor_of(path)) return true;
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return false;
  return !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode);
}

int open_special(const fs::path& path) {
  // By its number: opening the name would begin a file again at its first byte, and no socket has one.
  if (const auto number = descriptor_of(path)) return ::fcntl(*number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return retried([&] { return ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW); });
}

void require_inside(const fs::path& folder, const fs::path& path) {
  const fs::path home = fs::weakly_canonical(folder), end = fs::weakly_canonical(path);
  const fs::path way = end.lexically_relative(home);
  std::error_code error;
  const bool dangles = fs::is_symlink(path, error) && !fs::exists(path, error);
  if (!dangles && !way.empty() && *way.begin() != "..") return;
  throw std::runtime_error(path.string() + " leads out of " + folder.string() + ", to " +
                           (dangles ? fs::read_symlink(path, error) : end).string() +
                           ". What belongs to that folder lies in it: remove the link.");
}

void make_folder_inside(const fs::path& folder, const fs::path& below) {
  require_inside(folder, below);
  std::error_code error;
  fs::create_directories(below, error);
  if (error) fail_on_file("create the folder", below, error.value());
}

// --------------------------------------------------------------------------------------------------- temporaries

namespace {

// Whether this process asks about a folder for the first time.
bool is_first_time_in(const fs::path& folder) {
  static std::mutex mutex;
  static std::set<std::string> seen;  // of the whole process, which looks once for what others left
  std::error_code error;
  const std::string name = fs::absolute(folder, error).lexically_normal().string();
  const std::lock_guard lock(mutex);
  return seen.insert(name).second;
}

}  // namespace

Temporary::Temporary(const fs::path& folder, Kind kind) {
  const fs::path home = folder.empty() ? fs::path(".") : folder;
  if (is_first_time_in(home)) clean_temporaries(home);
  for (;;) {
    path_ = home / temporary_name();
    live_ = note_live(path_);
    if (kind == Kind::kName) {
      is_mine_ = true;
      return;
    }
    if (kind == Kind::kFile) {
      constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
      descriptor_ = retried([&] { return ::open(path_.c_str(), kNew, 0666); });
      is_mine_ = descriptor_ >= 0;
    } else {
      is_mine_ = ::mkdir(path_.c_str(), kind == Kind::kPrivateFolder ? 0700 : 0777) == 0;
    }
    if (is_mine_) return;
    error_ = errno;
    forget_live(live_);
    if (error_ != EEXIST) return;
    error_ = 0;
  }
}

Temporary::~Temporary() {
  if (descriptor_ >= 0) ::close(descriptor_);
  std::error_code ignored;
  if (is_mine_) fs::remove_all(path_, ignored);
  if (is_mine_) forget_live(live_);
}

int Temporary::become(const fs::path& path) {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) return errno;
  if (S_ISREG(status.st_mode)) {
    if (const int problem = not_replaceable(path)) return problem;
    const bool is_open = descriptor_ >= 0;
    const int file = is_open
                         ? std::exchange(descriptor_, -1)
                         : retried([&] { return ::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC); });
    if (file < 0) return errno;
    int problem = retried([&] { return ::fsync(file); }) == 0 ? 0 : errno;
    // Not repeated: on Linux the descriptor is gone even if close() says EINTR.
    if (::close(file) != 0 && errno != EINTR && problem == 0) problem = errno;
    if (problem != 0) return problem;
  }
  if (retried([&] { return ::rename(path_.c_str(), path.c_str()); }) != 0) return errno;
  is_mine_ = false;
  forget_live(live_);
  return sync_folder(folder_of(path));
}

int not_replaceable(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return errno == ENOENT ? 0 : errno;
  if (S_ISREG(status.st_mode)) return 0;
  return S_ISLNK(status.st_mode) ? ELOOP : S_ISDIR(status.st_mode) ? EISDIR : EEXIST;
}

// ------------------------------------------------------------------------------------------------------- writing

int write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

int try_write_file(const fs::path& path, std::span<const std::byte> bytes) {
  if (is_special(path)) {
    const int file = open_special(path);
    if (file < 0) return errno;
    int problem = write_all(file, bytes);
    if (::close(file) != 0 && errno != EINTR && problem == 0) problem = errno;
    return problem;
  }
  if (const int problem = not_replaceable(path)) return problem;
  Temporary temporary(folder_of(path), Temporary::Kind::kFile);
  if (temporary.error()) return temporary.error();
  if (const int problem = write_all(temporary.descriptor(), bytes)) return problem;
  return temporary.become(path);
}

void write_text_file(const fs::path& path, std::string_view text) {
  if (const int problem = try_write_file(path, std::as_bytes(std::span(text))))
    fail_on_file("write", path, problem);
}

int open_own(const char* name, int how, int folder) {
  // O_NONBLOCK: opening a FIFO would wait for its other end.
  const int flags = how | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
  const int file = retried([&] { return ::openat(folder < 0 ? AT_FDCWD : folder, name, flags, 0666); });
  if (file < 0) {
    if (errno == ENXIO) errno = EEXIST;  // a FIFO without a reader, a socket
    return -1;
  }
  struct stat status {};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
  ::close(file);
  errno = EEXIST;
  return -1;
}

void append_text(const fs::path& path, std::string_view text) {
  const Descriptor file(open_own(path.c_str(), O_WRONLY | O_CREAT | O_APPEND));
  if (!file.open()) fail_on_file("open", path, errno);
  const int problem = write_all(file.get(), std::as_bytes(std::span(text)));
  if (problem != 0) fail_on_file("write", path, problem);
}

int try_rename(const fs::path& from, const fs::path& to) {
  if (const int problem = not_replaceable(to)) return problem;
  return retried([&] { return ::rename(from.c_str(), to.c_str()); }) == 0 ? 0 : errno;
}

int exchange_names(const fs::path& one, const fs::path& other) {
  const auto exchange = [&] {
    return ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
  };
  return retried(exchange) == 0 ? 0 : errno;
}

int try_truncate(const fs::path& path, std::uint64_t bytes) {
  const Descriptor file(open_own(path.c_str(), O_WRONLY));
  if (!file.open()) return errno;
  return retried([&] { return ::ftruncate(file.get(), static_cast<off_t>(bytes)); }) == 0 ? 0 : errno;
}

std::string why_not_writable(const fs::path& path, const PlannedFile& planned) {
  const int problem = try_to_place(path, planned);
  return problem == 0 ? std::string()
                      : "cannot write " + path.string() + ": " + reason_of(problem) +
                            advice_with(planned.option, problem, path);
}

void require_writable(const fs::path& path, const PlannedFile& planned) {
  const std::string why = why_not_writable(path, planned);
  if (!why.empty()) throw std::runtime_error(why + ". Nothing has been done yet.");
}

std::string reason_of(int error) {
  if (error == ELOOP) return "it is a link, and links are followed only where you name one yourself";
  if (error == EEXIST) return "something there is not a regular file and is not replaced";
  return std::strerror(error);
}

void fail_on_file(const std::string& what, const fs::path& path, int error, const std::string& option) {
  std::string advice;
  if (!option.empty())
    throw std::runtime_error("cannot " + what + " " + path.string() + ": " + reason_of(error) +
                             advice_with(option, error, path));
  if (error == ENOSPC) advice = "; free some space or choose another folder with --runs";
  if (error == ELOOP) advice = "; remove the link";
  if (error == EEXIST) advice = "; move it away";
  throw std::runtime_error("cannot " + what + " " + path.string() + ": " + reason_of(error) + advice);
}

// --------------------------------------------------------------------------------------------------------- locks

Lock lock(int descriptor, const fs::path& path, bool waits) {
  const int how = LOCK_EX | (waits ? 0 : LOCK_NB);
  if (retried([&] { return ::flock(descriptor, how); }) == 0) return Lock::kTaken;
  if (errno == EWOULDBLOCK) return Lock::kHeld;
  if (has_no_locks(errno)) return Lock::kUnknown;
  fail_on_file("lock", path, errno);
}

std::string no_locks(const fs::path& path) {
  return path.string() +
         " cannot be locked, since this file system has no locks; make sure that no other process writes "
         "there.";
}

}  // namespace variform::base
