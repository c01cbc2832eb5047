#pragma once
// A trained model as Python sees it: two classes that hold the engine's objects and check what comes from outside. The
// functions compute with the engine's own tensors, so that autograd works across. docs/python.md describes them.

#include <ATen/core/Dict.h>
#include <ATen/core/ivalue.h>

#include <variform/model.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "model/rows.h"
#include "model/workplace.h"
#include "python/surroundings.h"

namespace variform::python {

/// Which model is opened.
struct Opening : Surroundings {
  std::string run;    ///< a run's folder or a checkpoint file
  std::string which;  ///< "last" or "best"
  std::vector<std::string> overrides;
};

class Posterior;

/// A trained model. One thread at a time: `mutex` is held by whoever calls. Functions throw variform::Error where
/// shapes or dtypes do not fit, and what the engine throws. Contexts come from context().
class Run final : public torch::CustomClassHolder {
 public:
  /// Opens a trained model in evaluation mode, and leaves the process's settings as they were. Needs no data.
  explicit Run(const Opening& opening);
  /// The same model on another device or in another dtype, with tensors of its own.
  Run(const Run& other, const at::TensorOptions& options);

  std::mutex& mutex() { return mutex_; }
  Model& model() const { return assembly_->model(); }
  const model::Session& session() const { return opened_->session(); }

  /// Tensors by their paths in a checkpoint, "model/encoder/parameters/net.0.weight": the engine's own, not copies.
  c10::Dict<std::string, Tensor> tensors() const;
  /// What never changes of a model, as JSON.
  std::string facts() const;
  void set_training(bool on);
  /// Sets schedules and the random stream to those of a training step.
  void set_step(int64_t step) { assembly_->set_step(step); }
  /// Starts the model's random stream again.
  void seed(int64_t seed) { assembly_->seed("python", seed); }

  /// Checks what is known of `rows` rows: labels int64 [B], condition [B, c], mask bool [B, data…], index int64 [B].
  Context context(int64_t rows, std::vector<std::optional<Tensor>> known) const;
  /// Conditions [R, c] as `--condition` reads them.
  Tensor condition(const std::string& text) const;

  c10::intrusive_ptr<Posterior> posterior(const Tensor& x, const Context& context);
  Tensor decode(const Tensor& z, const Context& context) const;  // [..., B, d] -> [..., B, n, data…]
  Tensor nll(const Tensor& x, const Tensor& z, const Context& context) const;  // [..., B]
  Tensor log_prior(const Tensor& z, const Context& context) const;             // [..., B, d] -> [..., B]
  Tensor jacobian(const Tensor& z, const Context& context) const;              // [B, d] -> [B, n, data…, d]
  Tensor hessian(const Tensor& x, const Tensor& z, const Context& context,
                 const std::string& form) const;                                              // [B, d, d]
  Tensor sample_prior(int64_t n, std::optional<int64_t> seed, const Context& context) const;  // [n, d]
  Tensor data_mean(const Tensor& g) const;                                 // [..., B, data…]
  Tensor sample_data(const Tensor& g, std::optional<int64_t> seed) const;  // [..., B, data…]
  /// Values on the model's scale as the data set has them, on the CPU.
  Tensor unscaled(const Tensor& x) const;
  /// The objective's value ("loss") and parts, [B] or [] each, at a training step; without one where the model is now.
  c10::Dict<std::string, Tensor> terms(const Tensor& x, std::optional<int64_t> step,
                                       const Context& context) const;

  /// The number of rows in a split of the run's data, which are read when they are first asked for.
  int64_t size(const std::string& split);
  /// Rows of a split: x, and labels, condition, mask and index where there are some.
  c10::Dict<std::string, Tensor> rows(const std::string& split, int64_t first, int64_t count);

  /// Evaluates the model as it is now: the report of `variform evaluate --json`, without what only the program knows.
  /// `options` is JSON, keys as the program's options.
  std::string evaluate(const std::string& split, const std::string& options);

  /// Writes a checkpoint of the model as it is now. No training can be resumed from it.
  void save(const std::string& file, int64_t step) const;

  void require(const Tensor& tensor, const char* name) const;        ///< dtype and device
  void require_x(const Tensor& x) const;                             ///< [B, data…]
  int64_t require_z(const Tensor& z, const char* name = "z") const;  ///< [..., d]; returns its rows

 private:
  const model::ModelSpec& spec() const { return assembly_->spec(); }
  model::Rows rows_of(const std::string& split);
  model::Session& with_data();

  std::mutex mutex_;
  Opening opening_;
  std::shared_ptr<model::OpenedRun> opened_;
  std::shared_ptr<model::Assembly> assembly_;
  std::unique_ptr<model::OpenedRun> with_data_;  // another copy of the model, for its data
  bool is_training_ = false;
  int64_t step_ = 0;  // at which it was saved
};

/// q(z|x) of a batch. Its model's mutex is held by whoever calls.
class Posterior final : public torch::CustomClassHolder {
 public:
  Posterior(c10::intrusive_ptr<Run> run, const Tensor& x, Context context);

  std::mutex& mutex() { return run_->mutex(); }
  Tensor location() const { return q_->location(); }  // [B, d]
  Tensor mean() const;                                // [B, d]
  Tensor covariance() const;                          // [B, d, d]
  Tensor variance() const;                            // [B, d]
  Tensor entropy() const;                             // [B]
  /// Draws [K, B, d], or [B, d] without K. Without a seed the model's stream goes on.
  Tensor rsample(std::optional<int64_t> count, std::optional<int64_t> seed);
  Tensor log_prob(const Tensor& z) const;  // [..., B or 1, d] -> [..., B]
  /// KL to the prior [B]: in closed form where there is one, else from so many draws.
  Tensor kl(int64_t draws, std::optional<int64_t> seed);
  bool has_closed_kl() const { return run_->model().has_closed_kl(*q_, context_); }

 private:
  Covariance moments(const char* asked) const;
  Draw draw(int64_t count, std::optional<int64_t> seed) const;

  c10::intrusive_ptr<Run> run_;
  int64_t rows_;
  Context context_;
  std::unique_ptr<variform::Posterior> q_;
  Tensor returned_;  // of the last rsample(), whose density may need how it was drawn
  Draw drawn_;
};

}  // namespace variform::python
