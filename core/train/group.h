#pragma once
// The processes that train one model together, as the training sees them. Without a group, a training is one process.

#include <ATen/core/Tensor.h>

#include <map>
#include <stdexcept>
#include <string>

namespace variform::train {

using at::Tensor;

/// Thrown when the training cannot go on because another process has failed or is gone; the text says which.
class GroupLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The processes that train one model together. All call the same functions in the same order.
class Group {
 public:
  virtual ~Group() = default;
  virtual int rank() const = 0;  ///< 0 … size() − 1
  virtual int size() const = 0;  ///< a power of two that divides train.shards

  /// Adds `flat` (contiguous, CPU or the model's device) of all processes in the fixed tree (rank 0 + rank 1, then
  /// pairs of pairs …), in place; every process gets the same bits. Throws GroupLost, and `flat` is then undefined.
  virtual void add(Tensor& flat) = 0;
  /// Replaces `flat` (contiguous, CPU, the same dtype and shape everywhere) by that of process 0. Throws GroupLost.
  virtual void copy_from_first(Tensor& flat) = 0;
  /// Whether `mine` is true in any process. Throws GroupLost.
  virtual bool any(bool mine) = 0;

  /// Waits until all processes are here with the same facts (name → value). Throws GroupLost with a sentence that names
  /// the first difference to process 0. Comes before the three functions above.
  virtual void require_same(const std::map<std::string, std::string>& facts) = 0;
  /// Tells the others why this process fails, unless another has told before. Returns whether process 0 will say it.
  virtual bool tell_failure(const std::string& why) = 0;
  /// This process needs the others no more. Process 0 waits for them here, a few seconds at most.
  virtual void leave() noexcept = 0;

  /// How many processes of the group share the processors that this one may use; 1 where each has its own.
  virtual int sharing() const = 0;
};

}  // namespace variform::train
