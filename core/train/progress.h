#pragma once
// The state of a training that cannot be derived from the seed. A checkpoint keeps it beside the model's and the
// optimizer's tensors.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <map>
#include <string>

namespace variform::train {

struct Progress {
  int64_t step = 0;                                       ///< updates done
  uint64_t metrics_bytes = 0;                             ///< of metrics.jsonl that belong to them
  double best = std::numeric_limits<double>::infinity();  ///< least value of the part that decides
  int64_t best_step = -1;
  int64_t evaluations_since_best = 0;
  int64_t summed = 0;  ///< steps in `sums`
  std::map<std::string, at::Tensor>
      sums;  ///< loss and parts since the last log line, [] each, on the model's device

  /// Converts to and from "progress/…" tensors, sums being on `device`. Throws std::runtime_error when one is missing.
  std::map<std::string, at::Tensor> tensors() const;
  static Progress from(const std::map<std::string, at::Tensor>& tensors, at::Device device);
};

}  // namespace variform::train
