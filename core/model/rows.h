#pragma once
// A split of a session's data, to be read in any order; and the state in which a model is looked at.

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

/// n row numbers evenly spread over a split of `size` rows (it may be ordered by class), int64; all rows if n > size.
Tensor spread_rows(std::int64_t n, std::int64_t size);

/// Values on the model's scale, x [..., data…], as the data set has them: standardisation undone, bytes from 0 to 1.
Tensor unscaled(const model::Session& session, const Tensor& x);

/// Evaluation mode of all components while it lives; puts back what it found.
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
