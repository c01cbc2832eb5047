#pragma once
// A group of processes as the run around a training sees it: how they begin together, and what becomes of them when one
// fails.

#include <map>
#include <stdexcept>
#include <string>

#include "train/group.h"

namespace variform::train {

/// Thrown when the training cannot go on because another process has failed or is gone; the text says which.
class GroupLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The processes that train one model together. add() and the first three functions here throw GroupLost.
class ProcessGroup : public Group {
 public:
  /// Waits until all processes are here with the same facts (name → value). Throws GroupLost with a sentence that names
  /// the first difference to process 0. Comes before add() and the next two.
  virtual void require_same(const std::map<std::string, std::string>& facts) = 0;
  /// Replaces `flat` (contiguous, CPU, the same dtype and shape everywhere) by that of process 0.
  virtual void copy_from_first(Tensor& flat) = 0;
  /// Whether `mine` is true in any process.
  virtual bool any(bool mine) = 0;

  /// Tells the others why this process fails, unless another has told before. Returns whether process 0 will say it.
  virtual bool tell_failure(const std::string& why) = 0;
  /// This process needs the others no more. Process 0 waits for them here, a few seconds at most.
  virtual void leave() noexcept = 0;
  /// How many processes of the group share the processors that this one may use; 1 where each has its own.
  virtual int sharing() const = 0;
};

}  // namespace variform::train
