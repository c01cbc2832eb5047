// Uses flock: it ends with the descriptor, so a killed process holds nothing. The file names the holder, for messages.

#include "base/lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/retry.h"

namespace variform::base {
namespace {

namespace fs = std::filesystem;

// Whether the file is empty or says only "4711 node7". Any other file is not a lock of ours, though it may have the
// name of one (a hard link), and is not written to.
bool is_for_holders(int file) {
  std::array<char, 300> text{};
  const ssize_t size = retried([&] { return ::pread(file, text.data(), text.size(), 0); });
  if (size < 0 || size == std::ssize(text)) return false;
  const std::string_view said(text.data(), static_cast<std::size_t>(size));
  const std::size_t digits = std::min(said.find_first_not_of("0123456789"), said.size());
  const bool is_one_line = said.find('\n') >= said.size() - 1;
  return said.empty() || (digits > 0 && is_one_line && (digits == said.size() || said[digits] == ' '));
}

// Writes "4711 node7".
void write_holder(int file) {
  if (!is_for_holders(file)) return;
  const std::string text = fmt::format("{} {}\n", ::getpid(), host_name());
  if (retried([&] { return ::ftruncate(file, 0); }) != 0) return;  // a lock without a name still locks
  if (retried([&] { return ::pwrite(file, text.data(), text.size(), 0); }) < 0) return;
}

// Returns what is left to see of a process that may end at any moment: then opening fails, or reading does.
std::string command_of(pid_t process) {
  std::ifstream stream(fmt::format("/proc/{}/cmdline", process), std::ios::binary);
  std::array<char, 1024> start{};
  stream.read(start.data(),
              start.size());  // an iterator over the stream would throw what this turns into a bit
  std::string text(start.data(), static_cast<std::size_t>(stream.gcount()));
  while (!text.empty() && text.back() == '\0') text.pop_back();
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  constexpr std::size_t kShown = 120;
  return text.size() > kShown ? text.substr(0, kShown) + " …" : text;
}

Holder read_holder(int file) {
  std::array<char, 300> text{};
  if (retried([&] { return ::pread(file, text.data(), text.size() - 1, 0); }) <= 0) return {};
  char* end = nullptr;
  const auto process = static_cast<pid_t>(std::strtol(text.data(), &end, 10));
  if (process <= 0) return {};
  return Holder::of(process, *end == ' ' ? std::string(end + 1, std::strcspn(end + 1, "\n")) : std::string());
}

bool is_same_file(int file, const fs::path& path) {
  struct stat opened {
  }, named{};
  return ::fstat(file, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

Holder Holder::of(pid_t process, std::string host) {
  Holder holder{process, std::move(host), {}};
  if (holder.host == host_name()) holder.command = command_of(process);
  return holder;
}

std::string Holder::sentence() const {
  if (process <= 0) return "another process";
  std::string text = "process " + std::to_string(process);
  if (!host.empty() && host != host_name()) text += " on the machine " + host;
  return command.empty() ? text : text + " (" + command + ")";
}

FileLock::FileLock(int file, fs::path path, After after, bool is_real)
    : file_(file), path_(std::move(path)), after_(after), is_real_(is_real) {}

FileLock::FileLock(FileLock&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      path_(std::move(other.path_)),
      after_(other.after_),
      is_real_(other.is_real_) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  if (this == &other) return *this;
  release();
  file_ = std::exchange(other.file_, -1);
  path_ = std::move(other.path_);
  after_ = other.after_;
  is_real_ = other.is_real_;
  return *this;
}

FileLock::~FileLock() { release(); }

void FileLock::release() {
  if (file_ < 0) return;
  // Done while the lock is held: whoever opened the name before finds another file, or none, and tries again.
  if (after_ == After::kIsRemoved && is_in_place()) ::unlink(path_.c_str());
  ::close(std::exchange(file_, -1));
}

bool FileLock::is_in_place() const { return is_same_file(file_, path_); }

std::optional<FileLock> FileLock::try_to_take(const fs::path& path, After after, Holder& holder) {
  while (true) {
    const int file = open_own(path.c_str(), O_RDWR | O_CREAT);
    if (file < 0) fail_on_file("lock", path, errno);
    FileLock lock(file, path, after, true);
    const Lock state = base::lock(file, path);
    if (state != Lock::kTaken) lock.after_ = After::kStays;  // the name is another's
    if (state == Lock::kHeld) {
      holder = read_holder(file);
      return {};
    }
    if (state == Lock::kUnknown) {
      lock.is_real_ = false;
      return lock;
    }
    if (!lock.is_in_place()) {  // removed between open and flock
      lock.after_ = After::kStays;
      continue;
    }
    write_holder(file);
    return lock;
  }
}

FileLock FileLock::take(const fs::path& path, After after,
                        const std::function<void(const Holder&)>& waits_for) {
  for (bool has_said = false;; has_said = true) {
    Holder holder;
    if (std::optional<FileLock> lock = try_to_take(path, after, holder)) return std::move(*lock);
    if (!has_said) waits_for(holder);
    const Descriptor file(open_own(path.c_str(), O_RDWR | O_CREAT));
    if (file.get() < 0) fail_on_file("lock", path, errno);
    base::lock(file.get(), path,
               /*waits=*/true);  // and let go again: try_to_take() knows what else is to be done
  }
}

}  // namespace variform::base
