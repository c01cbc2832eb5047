#pragma once
// Reads a split of a session's data in any order; evaluation mode for a scope.

#include <variform/objective.h>

#include <cstdint>
#include <string>

#include "data/dataset.h"
#include "model/assembly.h"

namespace variform::model {
struct Session;
}

namespace variform::model {

/// The rows of one split in the model's dtype and on its device. Dequantisation and the like are drawn from
/// hash(seed, "evaluate data", split, first row), so the same call gives the same values.
class Rows {
 public:
  /// `split`: train, validation or test; empty: test, or train when there is no test data. Throws std::runtime_error
  /// when the split has no data, naming those that have.
  Rows(model::Session& session, const std::string& split);

  const std::string& split() const { return split_; }
  std::int64_t size() const { return size_; }
  Batch range(std::int64_t first, std::int64_t count);
  /// The true latents of the same rows, [count, d]; undefined where they are not known.
  Tensor true_latents(std::int64_t first, std::int64_t count);
  /// Rows by number, int64 [B] on the CPU.
  Batch at(const Tensor& index);
  /// The data set behind the split; null when data are drawn afresh.
  const data::Dataset* dataset() const { return dataset_; }

 private:
  model::Session& session_;
  std::string split_;
  const data::Dataset* dataset_ = nullptr;
  std::int64_t size_ = 0;
  Generator generator_;
};

/// Returns n row numbers (int64) evenly spread over a split of `size` rows, which may be ordered by class; all rows if
/// n > size.
Tensor spread_rows(std::int64_t n, std::int64_t size);

/// Maps values on the model's scale, x [..., data…], back to the data set's: standardisation undone, bytes from 0 to 1.
Tensor unscaled(const model::Session& session, const Tensor& x);

/// Puts all components into evaluation mode while it lives, and restores their former mode afterwards.
class EvaluationMode {
 public:
  explicit EvaluationMode(model::Assembly& assembly);
  ~EvaluationMode();
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  model::Assembly& assembly_;
  bool was_training_;
};

}  // namespace variform::model
