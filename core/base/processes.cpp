// Uses a pipe for the answer, a memory file for the output, poll for the deadlines.

#include "base/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/child.h"
#include "base/descriptor.h"
#include "base/interrupt.h"
#include "base/retry.h"

namespace variform::base {
namespace {

using Clock = std::chrono::steady_clock;
constexpr long kKeptOutput = 1000;
constexpr rlim_t kMostOutput = 64 << 20;  // bytes; a child that prints more is killed

[[noreturn]] void fail_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(),
                          std::string("a process cannot be made (") + what + ")");
}

struct Task {
  Child process;
  Descriptor answer, output;
  Clock::time_point deadline;
  std::size_t index = 0;
  std::string text;
};

// In the child. Returns its exit status.
int answer_with(const std::function<std::string()>& function, int answer) {
  const rlimit no_core{0, 0}, most_output{kMostOutput, kMostOutput};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::setrlimit(RLIMIT_FSIZE, &most_output);
  for (const int signal : kEndingSignals) ::signal(signal, SIG_DFL);  // even those that the program ignores
  const std::string text = function() + '\n';                         // the newline marks a complete answer
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(answer, text.data() + at, text.size() - at);
    if (written < 0 && errno != EINTR) return 1;
    at += static_cast<std::size_t>(std::max<ssize_t>(written, 0));
  }
  std::fflush(nullptr);
  return 0;
}

Task start(const std::function<std::string()>& function, std::size_t index, std::chrono::milliseconds limit) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_errno("pipe");
  Descriptor read(ends[0]);
  const Descriptor write(ends[1]);
  Descriptor output(::memfd_create("variform-output", MFD_CLOEXEC));
  if (output.get() < 0) fail_errno("memfd_create");
  Child process = Child::of_function([&] { return answer_with(function, write.get()); },
                                     {.out = output.get(), .error = output.get(), .leads_group = true});
  return {.process = std::move(process),
          .answer = std::move(read),
          .output = std::move(output),
          .deadline = Clock::now() + limit,
          .index = index,
          .text = {}};
}

std::string tail_of(int file) {
  const off_t size = ::lseek(file, 0, SEEK_END);
  std::string text(static_cast<std::size_t>(std::min<off_t>(std::max<off_t>(size, 0), kKeptOutput)), '\0');
  const ssize_t got = retried(
      [&] { return ::pread(file, text.data(), text.size(), size - static_cast<off_t>(text.size())); });
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

std::string ending_of(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return "ended by itself, with exit status " + std::to_string(WEXITSTATUS(status));
}

bool is_whole(const Task& task) { return task.text.ends_with('\n'); }

// Waits for the child to end, since it may have closed the pipe and gone on. Kills it at its deadline, and whatever it
// has started.
Ended finish(Task& task) {
  const bool over = !task.process.ends_by(task.deadline);
  task.process.kill();
  const int status = task.process.status();
  Ended ended;
  ended.answered = is_whole(task);
  const bool used_up = WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
  ended.timed_out = !ended.answered && (over || used_up);
  if (ended.answered) task.text.pop_back();
  ended.answer = std::move(task.text);
  ended.ending = ending_of(status);
  ended.output = tail_of(task.output.get());
  return ended;
}

// Returns true when the child has said all that it will say. A process that it started may hold the pipe open for ever.
bool read_some(Task& task) {
  char buffer[4096];
  const ssize_t got = ::read(task.answer.get(), buffer, sizeof buffer);
  if (got > 0) task.text.append(buffer, static_cast<std::size_t>(got));
  return is_whole(task) || got == 0 || (got < 0 && errno != EINTR);
}

// Waits for a child to say something, to end, or to use up its time. Returns true when `which` is to be finished.
bool wait_for(std::vector<Task>& tasks, std::size_t& which) {
  std::vector<pollfd> polled;
  Clock::time_point first = Clock::time_point::max();
  for (const Task& task : tasks) {
    polled.push_back({task.answer.get(), POLLIN, 0});
    first = std::min(first, task.deadline);
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - Clock::now()).count();
  const int ready =
      ::poll(polled.data(), polled.size(), static_cast<int>(std::clamp<long>(left, 0, 3'600'000)));
  for (which = 0; ready > 0 && which < tasks.size(); ++which)
    if (polled[which].revents != 0 && read_some(tasks[which])) return true;
  for (which = 0; which < tasks.size(); ++which)
    if (tasks[which].deadline <= Clock::now()) return true;
  return false;
}

}  // namespace

std::vector<Ended> run_in_processes(const std::vector<std::function<std::string()>>& functions, int jobs,
                                    std::chrono::milliseconds limit) {
  std::vector<Ended> results(functions.size());
  std::vector<Task> running;
  std::size_t next = 0;
  while (next < functions.size() || !running.empty()) {
    while (next < functions.size() && static_cast<int>(running.size()) < std::max(jobs, 1)) {
      running.push_back(start(functions[next], next, limit));
      ++next;
    }
    std::size_t which = 0;
    if (!wait_for(running, which)) continue;
    results[running[which].index] = finish(running[which]);
    running.erase(running.begin() + static_cast<std::ptrdiff_t>(which));
  }
  return results;
}

double seconds_of_children() {
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

long printed_bytes() {
  std::fflush(nullptr);
  struct stat status {};
  return ::fstat(STDOUT_FILENO, &status) == 0 ? static_cast<long>(status.st_size) : 0;
}

}  // namespace variform::base
