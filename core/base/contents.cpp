// See contents.h.

#include "base/contents.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "base/retry.h"

namespace variform::base {

std::string contents_of(const std::filesystem::path& file) {
  const auto refusal = [&](const std::string& found) {
    return std::runtime_error(file.string() + ": expected a file, found " + found + ".");
  };
  // O_NONBLOCK: the opening of a FIFO would wait for a writer.
  const int descriptor = retried([&] { return ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); });
  if (descriptor < 0)
    throw refusal(errno == ENOENT ? "none"
                                  : "one that cannot be opened (" + std::string(std::strerror(errno)) + ")");
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw refusal(S_ISDIR(status.st_mode) ? "a folder" : "what is no regular file");
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = retried([&] { return ::read(descriptor, text.data() + done, text.size() - done); });
    if (got < 0) {
      const int problem = errno;
      ::close(descriptor);
      throw refusal("one that cannot be read (" + std::string(std::strerror(problem)) + ")");
    }
    if (got == 0) break;  // it has become shorter meanwhile
    done += static_cast<std::size_t>(got);
  }
  ::close(descriptor);
  text.resize(done);
  return text;
}

bool is_there(const std::filesystem::path& file) {
  struct stat status {};
  return ::lstat(file.c_str(), &status) == 0;
}

}  // namespace variform::base
