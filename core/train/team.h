#pragma once
// A few threads that do one piece of work after another together, as the parts of a training step. LibTorch's own
// threads share single operations, and wait for each other after each.

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace variform::train {

/// A team of threads. Used by one thread at a time, which is one of the team.
class Team {
 public:
  /// Starts size − 1 threads.
  explicit Team(int64_t size);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int64_t size() const { return static_cast<int64_t>(threads_.size()) + 1; }
  /// Calls work(0) to work(size − 1), each in its own thread, always the same one, and work(0) in the caller's. When all
  /// have ended, rethrows the exception of the one with the least number.
  void run(const std::function<void(int64_t)>& work);

 private:
  void serve(int64_t member);
  void call(int64_t member);

  std::vector<std::thread> threads_;
  std::vector<std::exception_ptr> errors_;
  const std::function<void(int64_t)>* work_ = nullptr;  // null in a round: the team dissolves
  std::atomic<uint32_t> round_ = 0;
  std::atomic<uint32_t> at_work_ = 0;
};

}  // namespace variform::train
