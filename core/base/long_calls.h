#pragma once
// Names a call that does not return while it lasts: a loop without an end, or a lock that is never free, looks like a
// long training otherwise.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace variform::base {

/// A thread that looks several times a second at most, while this lives.
class LongCalls {
 public:
  /// The number of the call that is being made, 0 for none; called from that thread.
  using Number = std::uint64_t (*)();

  /// A call that lasts longer than VARIFORM_CALL_SECONDS (60; 0: never) is told by write_beside(), and again each time that
  /// it has taken twice as long.
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
