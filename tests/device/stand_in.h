#pragma once
// A GPU without a GPU: a device of LibTorch's kind PrivateUse1, named "standin", whose operations the CPU does. It has
// what makes code for GPUs fail: memory that the host cannot read, generators of its own, an own thread for backward
// passes, operations that refuse tensors of two devices, and GPUs' lists of what mixed precision computes in bfloat16.
// What keeps the host waiting is counted.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace variform::testing {

/// The device. It is there from the start of a program that links this file; train.device = "auto" chooses it.
at::Device stand_in();

/// Lets the device have no memory for a tensor of more bytes while this lives: c10::OutOfMemoryError.
class SmallMemory {
 public:
  explicit SmallMemory(std::size_t bytes);
  ~SmallMemory();
  SmallMemory(const SmallMemory&) = delete;
  SmallMemory& operator=(const SmallMemory&) = delete;
};

/// What passes between host and device while this lives, in all threads.
class Crossings {
 public:
  Crossings();
  /// Operations for which the host waited: a copy to it, .item(), a shape that depends on values, a copy from it that
  /// is not from pinned memory or not asynchronous.
  std::vector<std::string> waits() const;
  /// The number of copies of the host's tensors to the device.
  int64_t writes() const;

 private:
  std::size_t waits_;
  int64_t writes_;
};

}  // namespace variform::testing
