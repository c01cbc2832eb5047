// See contents.h.

#include "base/contents.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "base/descriptor.h"
#include "base/retry.h"

namespace variform::base {
namespace {

[[noreturn]] void refuse_contents(const std::filesystem::path& file, const std::string& found) {
  throw std::runtime_error(file.string() + ": expected a file, found " + found + ".");
}

// Returns the first bytes of a file, `size` at most. Refuses one with more than `most`.
std::string read_from(const std::filesystem::path& file, std::uint64_t size, std::uint64_t most) {
  // O_NONBLOCK: opening a FIFO would wait for a writer.
  const Descriptor opened(
      retried([&] { return ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY); }));
  if (!opened.open())
    refuse_contents(file, errno == ENOENT
                              ? "none"
                              : "one that cannot be opened (" + std::string(std::strerror(errno)) + ")");
  struct stat status {};
  if (::fstat(opened.get(), &status) != 0 || !S_ISREG(status.st_mode))
    refuse_contents(file, S_ISDIR(status.st_mode) ? "a folder" : "something that is not a regular file");
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  if (bytes > most)
    refuse_contents(file,
                    fmt::format("one of {} bytes, more than the {} that such a file may have", bytes, most));
  std::string text(static_cast<std::size_t>(std::min(bytes, size)), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = retried([&] { return ::read(opened.get(), text.data() + done, text.size() - done); });
    if (got < 0) refuse_contents(file, "one that cannot be read (" + std::string(std::strerror(errno)) + ")");
    if (got == 0) break;  // it has become shorter meanwhile
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

}  // namespace

std::string contents_of(const std::filesystem::path& file, std::uint64_t most) {
  return read_from(file, most, most);
}

std::string contents_of_named(const std::filesystem::path& file, std::uint64_t most) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0 || !(S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)))
    return contents_of(file, most);
  const Descriptor opened(retried([&] { return ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY); }));
  std::string text, piece(1 << 16, '\0');
  while (opened.open()) {
    const ssize_t got = retried([&] { return ::read(opened.get(), piece.data(), piece.size()); });
    if (got == 0) return text;
    if (got < 0) break;
    text.append(piece, 0, static_cast<std::size_t>(got));
    if (text.size() > most)
      refuse_contents(file, fmt::format("more than the {} bytes that such a file may have", most));
  }
  refuse_contents(file, "one that cannot be read (" + std::string(std::strerror(errno)) + ")");
}

std::string beginning_of(const std::filesystem::path& file, std::size_t size) {
  return read_from(file, size, UINT64_MAX);
}

bool is_there(const std::filesystem::path& file) {
  struct stat status {};
  return ::lstat(file.c_str(), &status) == 0;
}

}  // namespace variform::base
