// See program.h.

#include "base/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "base/child.h"
#include "base/descriptor.h"

namespace variform::base {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Reads until the program closes its output. Returns false when the time is over.
bool read_to_end(int file, std::string& text, Child::Time end) {
  char buffer[4096];
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - SteadyClock::now()).count();
    if (left <= 0) return false;
    pollfd polled{file, POLLIN, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(std::min<long>(left, 3'600'000)));
    if (ready <= 0) continue;  // nothing yet, or a signal
    const ssize_t got = ::read(file, buffer, sizeof buffer);
    if (got == 0) return true;
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
    else if (errno != EINTR) return true;
  }
}

}  // namespace

std::string on_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  if (name.find('/') != std::string::npos || !path) return name;
  std::istringstream folders(path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = (folder.empty() ? "." : folder) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0 && !std::filesystem::is_directory(file)) return file;
  }
  return name;
}

Said run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds limit,
                 const ProgramOptions& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "no pipe");
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  const Child::Time end = SteadyClock::now() + limit;
  Child child = Child::of_program(
      arguments, {.out = to.get(), .error = options.keeps_errors ? to.get() : -1, .folder = options.folder});
  to.close();
  Said said;
  said.over = !read_to_end(from.get(), said.out, end) || !child.ends_by(end);
  if (said.over) child.kill();
  const int status = child.status();
  said.code = code_of(status);
  said.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return said;
}

std::string this_program() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

}  // namespace variform::base
