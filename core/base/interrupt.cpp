// See interrupt.h.

#include "base/interrupt.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace variform::base {

std::atomic<int>& interrupt_flag() {
  static std::atomic<int> flag = 0;
  static_assert(std::atomic<int>::is_always_lock_free);  // signal handlers set it
  return flag;
}

int interrupt_event() {
  static const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return event;
}

void request_interrupt() noexcept {
  interrupt_flag() = 1;
  const std::uint64_t one = 1;
  if (::write(interrupt_event(), &one, sizeof one) < 0) return;  // it is full: who waits is awake
}

}  // namespace variform::base
