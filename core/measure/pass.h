#pragma once
// A trained model on the rows of one split, batch by batch, as metrics see it: every value is computed when it is first
// asked for, and once.

#include <variform/gaussian_posterior.h>
#include <variform/metric.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "measure/estimators.h"
#include "measure/evaluate.h"
#include "measure/image_features.h"
#include "measure/short_jacobian.h"
#include "measure/training_gradient.h"
#include "model/rows.h"

namespace variform::measure {

/// A value that is computed at the first call, or the reason why it cannot be, which is thrown again by later calls.
template <class T>
class Once {
 public:
  template <class Make>
  const T& operator()(const Make& make) {
    if (!reason_.empty()) throw Unsupported(reason_);
    if (value_) return *value_;
    try {
      return value_.emplace(make());
    } catch (const Unsupported& error) {
      reason_ = error.what();
      throw;
    }
  }

 private:
  std::optional<T> value_;
  std::string reason_;
};

/// See variform/metric.h for what it offers to metrics. All under no_grad, with the model in evaluation mode; the
/// caller sees to both.
class Pass final : public Measured {
 public:
  /// `chosen`: int64 row numbers in ascending order, for metrics that want fewer rows than there are; undefined: the
  /// first options.limit rows, or all. The session must outlive it.
  Pass(model::Session& session, const EvaluateOptions& options, Tensor chosen = {});
  ~Pass() override;

  /// Takes the next `count` rows, from row `first` of those of this pass.
  void begin(std::int64_t first, std::int64_t count);
  /// Ends the last batch: finish() of metrics comes now. `part` names the work to the watch.
  void end(const std::string& part);
  /// How many rows a batch has at most: it bounds the memory of a batch's tangents.
  std::int64_t rows_at_a_time(std::int64_t most) const;
  const data::Dataset* dataset() const { return rows_.dataset(); }
  /// `between` is called during long work on a batch, with the share of it that is done.
  void tell_with(Between between) { between_ = std::move(between); }

  /// The structure within which optimal covariances are looked for: the family's, or its substitute.
  const Structure& structure_of_optimum();
  /// Where that structure comes from when it is not the family's; empty: it is.
  const std::string& source_of_structure() const { return structure_source_; }
  const std::optional<Structure>& optimum_if_used() const { return optimum_; }
  /// A sentence without a full stop: why there is no β.
  std::string no_beta() const;
  /// The mean number of observed values per row, over all rows that were at hand so far.
  double values_per_row() const {
    return static_cast<double>(values_seen_) / static_cast<double>(std::max<std::int64_t>(1, rows_seen_));
  }

  Model& model() override { return model_; }
  std::string split() const override { return rows_.split(); }
  std::int64_t size() const override { return size_; }
  std::int64_t available() const override { return available_; }
  std::optional<double> beta() const override { return beta_; }
  Curvature curvature() const override { return options_.curvature; }
  std::int64_t samples() const override { return options_.samples; }
  std::int64_t importance_samples() const override { return options_.importance_samples; }
  std::int64_t hessian_rows() const override { return options_.hessian_rows; }
  std::vector<std::int64_t> blocks() override;
  std::uint64_t seed(std::string_view purpose) const override;
  Generator& random(std::string_view purpose) override;
  Generator& random_at(std::string_view purpose, std::uint64_t index) override;
  std::int64_t split_size() const override { return rows_.size(); }
  Batch rows(const Tensor& index) override { return rows_.at(index); }
  Features& features() override;
  void progress(std::int64_t done, std::int64_t all) override;
  std::optional<Tensor> noisy_bytes() const override;
  std::int64_t training_rows() const override;
  Tensor training_gradient(std::int64_t batch, std::int64_t draw) override;

  const Batch& batch() override;
  std::shared_ptr<const Posterior> posterior() override;
  Tensor codes() override;
  const Draw& draws() override;
  Tensor nll() override;
  Tensor nll_of(const Tensor& z) override;
  Tensor nll_at_codes() override;
  Tensor kl() override;
  Tensor pullback_metric() override;
  Tensor hessian() override;
  Covariance covariance() override;
  Covariance optimal_covariance() override;
  Covariance optimal_covariance_at(double beta) override;
  Tensor curvature_penalty(const Structure& structure) override;
  Tensor factors() override;
  std::vector<std::string> factor_names() const override;

 private:
  struct AtHand;  // the batch and what was computed of it
  AtHand& at_hand();
  const LocalDerivatives& local_derivatives();
  std::string no_optimum() const;
  Structure structure_of_objective();

  model::Session& session_;
  const EvaluateOptions& options_;
  Model& model_;
  model::Rows rows_;
  Tensor chosen_;
  std::int64_t size_ = 0, available_ = 0, first_ = 0;
  std::int64_t rows_seen_ = 0, values_seen_ = 0;  // values that were observed
  std::optional<double> beta_;
  // The precision Q [d, d] of a Gaussian prior, float64; undefined under another. Beside a prior that was fitted ex post
  // and is not Gaussian, q stays as it was trained under the former one, whose precision `optimum_precision_` is.
  Tensor precision_, optimum_precision_;
  std::optional<Structure> structure_, optimum_;
  std::string structure_source_, part_;
  std::vector<std::int64_t> blocks_;
  std::optional<std::vector<std::int64_t>> levels_;  // of the first posterior, if it has levels
  std::optional<ShortJacobian> short_jacobian_;
  std::optional<TrainingGradient> training_gradient_;
  std::optional<ImageFeatures> features_;
  Between between_;
  std::unique_ptr<AtHand> at_hand_;
};

}  // namespace variform::measure
