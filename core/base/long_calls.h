#pragma once
// Reports a call that does not return while it is still running: an endless loop, or a lock that is never released,
// looks like a long training otherwise.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace variform::base {

/// A thread that looks at most several times per second, while this lives.
class LongCalls {
 public:
  /// Returns the number of the current call, 0 for none; called from that thread.
  using Number = std::uint64_t (*)();

  /// Reports a call that lasts longer than VARIFORM_CALL_SECONDS (60; 0: never) by write_beside(), and again each time
  /// that its duration has doubled.
  explicit LongCalls(Number number);
  ~LongCalls();
  LongCalls(const LongCalls&) = delete;
  LongCalls& operator=(const LongCalls&) = delete;

 private:
  void watch();

  Number number_;
  std::chrono::duration<double> limit_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace variform::base
