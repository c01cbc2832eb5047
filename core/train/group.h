#pragma once
// The processes that train one model together: what a training asks of them.

#include <ATen/core/Tensor.h>

namespace variform::train {

using at::Tensor;

/// The processes that train one model together. All of them call the same functions in the same order.
class Group {
 public:
  virtual ~Group() = default;
  /// This process: 0 … size() − 1.
  virtual int rank() const = 0;
  /// How many processes there are: a power of two that divides train.shards.
  virtual int size() const = 0;
  /// Adds the tensors of all processes, in place, in one fixed tree: rank 0 + rank 1, 2 + 3 …, then pairs of pairs.
  /// `flat`: contiguous, of floats or doubles, on the CPU or the model's device, of one size in all processes. Every
  /// process gets the same bits. Throws std::runtime_error when another process is gone.
  virtual void add(Tensor& flat) = 0;
};

}  // namespace variform::train
