#pragma once
// Counts how often a component reads a tensor's value on the host (.item() and the like). What is decided there has no
// gradient, and a step that does so cannot be recorded; nothing in the results tells.

#include <ATen/record_function.h>

#include <cstdint>

namespace variform::plugins {

/// Counts while it lives, in its own thread: item(), is_nonzero(), equal() and the like, called from outside of LibTorch,
/// whose own operations read, too. Not to be nested.
class CountedHostReads {
 public:
  CountedHostReads();
  ~CountedHostReads();
  CountedHostReads(const CountedHostReads&) = delete;
  CountedHostReads& operator=(const CountedHostReads&) = delete;
  std::int64_t count() const { return reads_.count; }

  /// Depth of operations inside each other, and the reads at the outermost.
  struct Reads {
    std::int64_t depth = 0, count = 0;
  };

 private:
  Reads reads_;
  at::CallbackHandle handle_;
};

}  // namespace variform::plugins
