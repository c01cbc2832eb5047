#pragma once
// Sources of training batches. Every batch is a function of the seed and its number alone, which makes a resumed
// training the same bit for bit.

#include <variform/likelihood.h>
#include <variform/objective.h>

#include <memory>
#include <string>

#include "config/experiment.h"
#include "data/dataset.h"
#include "model/assembly.h"

namespace variform::model {

/// Training batches, evaluation batches and examples, in the model's dtype and on its device.
class Batches {
 public:
  virtual ~Batches() = default;
  /// Rows of the training set; steps per epoch follow from it. Fresh data: the rows of one nominal epoch.
  virtual int64_t size() const = 0;
  /// The domain of x's values: "real", "unit interval", "binary", "count" or "categorical".
  virtual std::string domain() const = 0;
  /// The batch of training step `step`. Its shape is always the same.
  virtual Batch training(int64_t step) = 0;
  /// The split that is evaluated during training: "validation" when rows are held out, else the test split.
  /// Its size is 0 when there is none.
  virtual std::string evaluation_split() const = 0;
  virtual int64_t evaluation_size() const = 0;
  virtual Batch evaluation(int64_t first, int64_t count) = 0;
  /// The true latents of its rows, [count, d]; undefined where they are not known.
  virtual Tensor evaluation_latents(int64_t first, int64_t count) = 0;
  /// The first n training rows, or all if there are fewer: [n, data…].
  virtual Tensor examples(int64_t n) = 0;
  /// What is known of the same rows.
  virtual Context example_context(int64_t n) = 0;
  /// What the context's condition is; its size is 0 when there is none.
  virtual data::Condition condition() const = 0;
};

/// Batches of `batch` rows from a data set in memory.
std::unique_ptr<Batches> batches_of(data::Splits splits, int64_t batch, uint64_t seed,
                                    at::TensorOptions options);

/// Draws the data of `spec.model`: x from likelihood, decoder and prior, with the true latents and classes kept. Row i
/// of a set of fixed size, and the batch of step t of a fresh one, are functions of (seed, i) and (seed, t). Throws
/// std::invalid_argument when classes or condition do not fit the model.
data::Splits draw_data(const config::DataSpec& spec, const plugins::Registry& registry,
                       at::TensorOptions options);
std::unique_ptr<Batches> fresh_batches(const config::DataSpec& spec, const plugins::Registry& registry,
                                       int64_t batch, at::TensorOptions options);

}  // namespace variform::model
