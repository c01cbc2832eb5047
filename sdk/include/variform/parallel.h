#pragma once
// Runs work on the host on as many threads as LibTorch has.

#include <ATen/Parallel.h>
#include <c10/util/ParallelGuard.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <future>
#include <vector>

namespace variform {
inline namespace v2 {

/// Calls body(0) to body(count − 1), each once, in any order, several at a time. LibTorch's operations in them take one
/// thread each, and do not see the caller's grad mode. Rethrows the first exception. (at::parallel_for would have to be
/// compiled with OpenMP, which brings a second OpenMP beside LibTorch's.)
template <class Body>
void in_parallel(std::int64_t count, const Body& body) {
  std::atomic<std::int64_t> next = 0;
  const auto work = [&] {
    const c10::ParallelGuard guard(true);
    for (std::int64_t i = next++; i < count; i = next++) body(i);
  };
  std::vector<std::future<void>> others;
  for (std::int64_t i = 1; i < std::min<std::int64_t>(at::get_num_threads(), count); ++i)
    others.push_back(std::async(std::launch::async, work));
  work();
  for (std::future<void>& other : others) other.get();
}

}  // namespace v2
}  // namespace variform
