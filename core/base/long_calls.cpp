// See long_calls.h.

#include "base/long_calls.h"

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <latch>
#include <string>

#include "base/last_words.h"

namespace variform::base {
namespace {

using Seconds = std::chrono::duration<double>;
constexpr double kSeconds = 60, kLookEvery = 1;

double limit_asked_for() {
  const char* text = std::getenv("VARIFORM_CALL_SECONDS");
  if (!text || !*text) return kSeconds;
  char* end = nullptr;
  const double asked = std::strtod(text, &end);
  return *end == '\0' && asked >= 0 ? asked : kSeconds;
}

std::string rounded(Seconds seconds) {
  const auto tenths = static_cast<long>(seconds.count() * 10);
  return std::to_string(tenths / 10) +
         (tenths < 100 && tenths % 10 != 0 ? "." + std::to_string(tenths % 10) : "");
}

}  // namespace

LongCalls::LongCalls(Number number) : number_(number), limit_(limit_asked_for()) {
  if (limit_.count() <= 0) return;
  sigset_t all{}, before{};
  ::sigfillset(&all);  // signals go to the working thread
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  // A thread that is only just starting allocates. Whoever forks meanwhile may find the allocator locked for ever in the
  // child: AddressSanitizer's takes no care of forks.
  std::latch has_started(1);
  thread_ = std::thread([this, &has_started] {
    has_started.count_down();
    watch();
  });
  has_started.wait();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LongCalls::~LongCalls() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LongCalls::watch() {
  using Clock = std::chrono::steady_clock;
  const Seconds pause(std::min(kLookEvery, limit_.count() / 4));
  std::uint64_t present = 0;
  Clock::time_point since = Clock::now();
  Seconds next = limit_;
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, pause, [this] { return ends_; })) {
    const std::uint64_t number = number_();
    if (number != present) {
      present = number;
      since = Clock::now();
      next = limit_;
    }
    const Seconds taken = Clock::now() - since;
    if (present == 0 || taken < next) continue;
    const SignalText place = whereabouts();
    if (!place.empty() && number_() == present)
      write_beside("note: " + std::string(place.text()) + ": has not returned for " + rounded(taken) +
                   " s (VARIFORM_CALL_SECONDS sets after how long this is said)");
    next = taken * 2;
  }
}

}  // namespace variform::base
