// See file.h.

#include "config/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace variform::config {
namespace fs = std::filesystem;
namespace {

void write_all(int file, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(file, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      ::close(file);
      fail_on_file("write", path, error);
    }
    text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

void fail_on_file(const std::string& what, const fs::path& path, int error) {
  throw std::runtime_error("cannot " + what + " " + path.string() + ": " + std::strerror(error) +
                           (error == ENOSPC ? "; free some space or choose another folder with --runs" : ""));
}

void write_text_file(const fs::path& path, std::string_view text) {
  const fs::path temporary = path.string() + ".tmp-" + std::to_string(::getpid());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail_on_file("create", temporary, errno);
  write_all(file, text, temporary);
  if (::fsync(file) != 0 || ::close(file) != 0) fail_on_file("write", temporary, errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail_on_file("rename to", path, errno);
}

void append_text(const fs::path& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) fail_on_file("open", path, errno);
  write_all(file, text, path);
  ::close(file);
}

}  // namespace variform::config
