#pragma once
// Repeats system calls that a signal has interrupted (EINTR). The program's own handlers restart them, but those that a
// plugin, a library or a debugger has installed may not.

#include <cerrno>
#include <cstddef>
#include <cstdio>

namespace variform::base {

/// Repeats call() until it is not interrupted: `retried([&] { return ::read(file, to, n); })`. Not for close(), whose
/// descriptor is gone even then.
template <class Call>
auto retried(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

/// std::fopen() and std::fread(), repeated likewise.
inline std::FILE* open_stream(const char* path, const char* mode) {
  std::FILE* file = std::fopen(path, mode);
  while (!file && errno == EINTR) file = std::fopen(path, mode);
  return file;
}
inline std::size_t read_stream(void* to, std::size_t n, std::FILE* file) {
  std::size_t got = 0;
  for (;;) {
    errno = 0;
    got += std::fread(static_cast<char*>(to) + got, 1, n - got, file);
    if (got == n || std::ferror(file) == 0 || errno != EINTR) return got;
    std::clearerr(file);
  }
}

}  // namespace variform::base
