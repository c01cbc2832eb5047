// See process.h.

#include "study/process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>

#include "base/child.h"
#include "base/contents.h"
#include "base/descriptor.h"
#include "base/retry.h"

namespace variform::study {
namespace {

constexpr std::chrono::milliseconds kTick{100};  // between questions to the caller; an end is seen at once

// The process groups of running commands, for a signal handler; 0: a free place. Commands beyond 64 are not recorded.
std::array<std::atomic<pid_t>, 64> living{};
std::atomic<pid_t> owner{0};  // of `living`

class Noted {
 public:
  explicit Noted(pid_t child) {
    owner = ::getpid();
    for (std::atomic<pid_t>& place : living)
      if (pid_t none = 0; place.compare_exchange_strong(none, child)) {
        place_ = &place;
        return;
      }
  }
  ~Noted() {
    if (place_) *place_ = 0;
  }
  Noted(const Noted&) = delete;
  Noted& operator=(const Noted&) = delete;

 private:
  std::atomic<pid_t>* place_ = nullptr;
};

}  // namespace

Exit execute(const std::vector<std::string>& arguments, const std::filesystem::path& log,
             const std::function<bool()>& interrupted, const std::function<bool()>& unwanted) {
  constexpr int kAppending = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
  base::Descriptor file(base::retried([&] { return ::open(log.c_str(), kAppending, 0666); }));
  if (!file.open()) throw std::system_error(errno, std::generic_category(), "cannot write " + log.string());
  base::Child child = base::Child::of_program(  // a group: Ctrl-C reaches it through this process, once
      arguments, {.out = file.get(), .error = file.get(), .leads_group = true, .signal_of_orphans = SIGTERM});
  file.close();
  const Noted noted(child.id());
  Exit exit;
  while (!child.ends_by(std::chrono::steady_clock::now() + kTick)) {
    if (!exit.interrupted && interrupted && interrupted()) {
      child.send(SIGTERM);  // not SIGINT: a terminal sends that to the child, too, and the third one ends it
      exit.interrupted = true;
    }
    if (!exit.killed && unwanted && unwanted()) {
      child.kill();
      exit.killed = true;
    }
  }
  exit.code = base::code_of(child.status());
  return exit;
}

void kill_commands() noexcept {
  if (owner != ::getpid()) return;
  for (const std::atomic<pid_t>& place : living)
    if (const pid_t group = place; group > 0) ::kill(-group, SIGKILL);
}

std::string text_since(const std::filesystem::path& log, std::size_t start) {
  try {
    const std::string text = base::contents_of(log, base::kMostOfLog);
    return text.substr(std::min(start, text.size()));
  } catch (const std::runtime_error&) {
    return {};
  }
}

}  // namespace variform::study
