#pragma once
// Counts how often a component reads a tensor's value on the host (.item() and the like). A value decided there has no
// gradient, and a step that does so cannot be recorded; the results do not show it.

#include <ATen/record_function.h>

#include <cstdint>

namespace variform::plugins {

/// Counts, in its own thread and while it lives, calls of item(), is_nonzero(), equal() and the like from outside
/// LibTorch, whose own operations read too. Must not be nested.
class CountedHostReads {
 public:
  CountedHostReads();
  ~CountedHostReads();
  CountedHostReads(const CountedHostReads&) = delete;
  CountedHostReads& operator=(const CountedHostReads&) = delete;
  std::int64_t count() const { return reads_.count; }

  /// The depth of nested operations, and the reads at the outermost.
  struct Reads {
    std::int64_t depth = 0, count = 0;
  };

 private:
  Reads reads_;
  at::CallbackHandle handle_;
};

}  // namespace variform::plugins
