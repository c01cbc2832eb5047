// The record of the call in progress: atomic pointers to texts that are never freed, for signal handlers to read.

#include <variform/calls.h>

#include <ATen/core/grad_mode.h>

#include <atomic>
#include <cfenv>
#include <mutex>
#include <set>
#include <utility>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace variform {
inline namespace v2 {
namespace {

// The record is global, since signal handlers and the thread that looks for long calls read it.
struct Record {
  std::atomic<const char*> kind = nullptr, label = nullptr, function = nullptr;
  std::atomic<int64_t> step = -1;
  std::atomic<uint64_t> outermost = 0, calls = 0;
};
Record record;

constexpr auto kRelaxed = std::memory_order_relaxed;

void put(const CallInProgress& call) noexcept {
  record.kind.store(call.kind, kRelaxed);
  record.label.store(call.label, kRelaxed);
  record.function.store(call.function, kRelaxed);
  record.step.store(call.step, kRelaxed);
  record.outermost.store(call.outermost, std::memory_order_release);
}

// Returns rounding, treatment of denormals and trapped exceptions, without the flags of past exceptions.
unsigned floating_point_modes() noexcept {
#if defined(__SSE__)
  return _mm_getcsr() & ~0x3FU;
#else
  return static_cast<unsigned>(std::fegetround());
#endif
}

void set_floating_point_modes(unsigned modes) noexcept {
#if defined(__SSE__)
  _mm_setcsr(modes | (_mm_getcsr() & 0x3FU));
#else
  std::fesetround(static_cast<int>(modes));
#endif
}

struct Sentences {
  std::mutex mutex;
  std::set<std::string> known;
  std::vector<std::string> fresh;
};
Sentences& sentences() {
  static Sentences all;
  return all;
}

void keep(const char* what) {
  const CallInProgress call = call_in_progress();
  std::string who = call.kind ? std::string(call.kind) + " " + call.label + ", in " + call.function
                              : std::string(call.function ? call.function : "a component");
  Sentences& all = sentences();
  const std::lock_guard lock(all.mutex);
  if (!all.known.insert(who + what).second) return;
  if (call.step >= 0) who += ", at step " + std::to_string(call.step);
  all.fresh.push_back(who + ", " + what);
}

}  // namespace

CallInProgress call_in_progress() noexcept {
  CallInProgress call;
  call.outermost = record.outermost.load(std::memory_order_acquire);
  call.kind = record.kind.load(kRelaxed);
  call.label = record.label.load(kRelaxed);
  call.function = record.function.load(kRelaxed);
  call.step = record.step.load(kRelaxed);
  return call;
}

Calling::Calling(const char* kind, const char* label, const char* function, int64_t step) noexcept
    : before_(call_in_progress()) {
  const uint64_t outermost =
      before_.outermost != 0 ? before_.outermost : record.calls.fetch_add(1, kRelaxed) + 1;
  put({kind, label, function, step, outermost});
}

Calling::~Calling() { put(before_); }

KeptModes::KeptModes() noexcept
    : gradients_(at::GradMode::is_enabled()), floating_point_(floating_point_modes()) {}

KeptModes::~KeptModes() {
  if (at::GradMode::is_enabled() != gradients_) {
    at::GradMode::set_enabled(gradients_);
    keep(
        "left the recording of gradients switched; it was put back. Use at::NoGradGuard, and "
        "at::AutoGradMode, which end with their block.");
  }
  if (floating_point_modes() != floating_point_) {
    set_floating_point_modes(floating_point_);
    keep(
        "left the processor's rounding, its treatment of the smallest numbers or its traps changed; they "
        "were put back.");
  }
}

std::vector<std::string> take_changed_modes() {
  Sentences& all = sentences();
  const std::lock_guard lock(all.mutex);
  return std::exchange(all.fresh, {});
}

}  // namespace v2
}  // namespace variform
