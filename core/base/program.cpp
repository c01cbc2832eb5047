// See program.h. Does only what is safe in a process with threads between fork and exec.

#include "base/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>

namespace variform::base {
namespace {

using SteadyClock = std::chrono::steady_clock;

[[noreturn]] void become(char* const* arguments, int out, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(nothing, STDERR_FILENO);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

// Reads until the program closes its output. Returns false when the time is over.
bool read_to_end(int file, std::string& text, SteadyClock::time_point end) {
  char buffer[4096];
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - SteadyClock::now()).count();
    if (left <= 0) return false;
    pollfd polled{file, POLLIN, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(std::min<long>(left, 1000)));
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

Said run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds limit) {
  std::string program = on_path(arguments[0]);
  std::vector<char*> pointers{program.data()};
  pointers.reserve(arguments.size() + 1);
  for (std::size_t i = 1; i < arguments.size(); ++i)
    pointers.push_back(const_cast<char*>(arguments[i].c_str()));
  pointers.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "no pipe");
  const SteadyClock::time_point end = SteadyClock::now() + limit;
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) become(pointers.data(), ends[1], parent);
  const int error = errno;
  ::close(ends[1]);
  Said said;
  if (child > 0) said.over = !read_to_end(ends[0], said.out, end);
  ::close(ends[0]);
  if (child < 0) throw std::system_error(error, std::generic_category(), "cannot start " + arguments[0]);
  if (said.over) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  said.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return said;
}

std::string this_program() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

}  // namespace variform::base
