#pragma once
// Metric: numbers about a trained model. A metric declares its quantities; `evaluate`, its JSON, tables, studies,
// figures and the reference take name, unit and meaning from there. Unless a function says otherwise, the rules of
// variform/component.h hold; calls: any number of times; autograd: under no_grad, in evaluation mode; recorded step:
// never within one, so that values may be read on the host; source: theory §10.

#include <variform/component.h>
#include <variform/covariance.h>
#include <variform/family.h>
#include <variform/likelihood.h>
#include <variform/objective.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace variform {
inline namespace v2 {

class Model;

/// One number that a metric reports.
struct Quantity {
  std::string name;  ///< its key in JSON, tables and studies: letters, digits, underscores; no other metric's
  std::string unit;  ///< "nats", "degrees", "rows"; empty: a plain number
  std::string
      meaning;  ///< what it is, without a full stop: "mean of ‖h‖ over the rows (Smith 2024, equation 3)"
};

/// Takes what a metric found. `quantity` is always a declared name. Unless a function says otherwise: dtype: any
/// floating-point one, under mixed precision, too, widened to float64; device: any; autograd: of no concern, since
/// values are detached; errors: throws Error for a name that was not declared and for values of another shape.
class VARIFORM_API Findings {
 public:
  virtual ~Findings();
  /// Adds values of single rows: those of the batch, [B], in measure(), or those of any rows, [N], in finish().
  /// Reported are their mean over all rows, its standard error sd/√N, and their quartiles.
  virtual void rows(std::string_view quantity, const Tensor& values) = 0;
  /// The same for logarithms, [B] or [N]: reported are the geometric mean of the values, its error, and the values'
  /// quartiles.
  virtual void geometric(std::string_view quantity, const Tensor& logarithms) = 0;
  /// Sets the median of all numbers in a tensor […], with their quartiles.
  virtual void median(std::string_view quantity, const Tensor& values) = 0;
  /// Sets one number, with its standard error if there is one. A number that is not finite is reported as not defined.
  virtual void number(std::string_view quantity, double value, std::optional<double> error = {}) = 0;
  /// Adds numerators and denominators of rows, [B] each: reported is the ratio of their means over all rows, with its
  /// error by linearisation.
  virtual void ratio(std::string_view quantity, const Tensor& above, const Tensor& below) = 0;
  /// Says why there is no number: "no latent is active", without a full stop. Reported as "not defined: no latent …",
  /// whatever was reported of it before and afterwards. The first reason counts.
  virtual void undefined(std::string_view quantity, std::string_view reason) = 0;
  /// Says that a quantity does not apply to this model, or was not asked for: it is left out.
  virtual void absent(std::string_view quantity) = 0;
  /// Adds to the quantity's meaning what is only known now: "; 1000 draws". Once for each quantity.
  virtual void detail(std::string_view quantity, std::string_view text) = 0;
  /// Says on what all of the metric's numbers depend, beside the model: it stands in brackets behind the names of the
  /// quantities, "frechet_samples[mnist-conv-1a2b3c4d]", since numbers that differ in it must not be compared.
  virtual void qualify(std::string_view by) = 0;
  /// Keeps an array for figures, […] of up to three dimensions, under any name.
  virtual void array(std::string_view name, const Tensor& values) = 0;
  /// Keeps mean and quartiles over the first dimension of [N, …], for figures.
  virtual void spread(std::string_view name, const Tensor& values) = 0;
  /// Keeps labels for figures, such as the names of an array's rows.
  virtual void labels(std::string_view name, const std::vector<std::string>& texts) = 0;
  /// In a comparison: keeps one value per run, [R], NaN where there is none, for the table of runs.
  virtual void of_runs(std::string_view quantity, const Tensor& values) = 0;
  /// Adds a sentence below the table, with a full stop.
  virtual void note(std::string_view sentence) = 0;
  /// Keeps a JSON object at the top of the result, for what has no other shape. `name` is no other metric's.
  virtual void object(std::string_view name, std::string_view json) = 0;
  /// In measure(): keeps rows of the batch, [B, …], for the file of `evaluate --dump`, under a name of its own.
  virtual void keep(std::string_view name, const Tensor& rows) = 0;
  /// An ability of a later release's, as Component::ability(); nullptr when it has none of that name.
  virtual const void* ability(std::string_view id) const;
};

/// Images in the features of a classifier of the same data, which the engine trains when it is first needed. Unless a
/// function says otherwise: dtype: float64, of models under mixed precision, too.
class VARIFORM_API Features {
 public:
  virtual ~Features();
  /// Data set, classifier and a checksum of its weights: "mnist-conv-1a2b3c4d".
  virtual std::string name() const = 0;
  /// "classifier conv of mnist, test accuracy 0.99".
  virtual std::string description() const = 0;
  /// The number of real images in a split, "train" or "test"; 0 for one that has the images of the measured split.
  virtual int64_t size(std::string_view split) const = 0;
  /// Features of real images by row number: int64 [n] on the CPU -> [n, d] float64 on the CPU.
  virtual Tensor of_rows(std::string_view split, const Tensor& index) = 0;
  /// Features of a model's images, x on its scale: [n, data…] -> [n, d] float64 on the CPU.
  virtual Tensor of(const Tensor& x) = 0;
  /// An ability of a later release's, as Component::ability(); nullptr when it has none of that name.
  virtual const void* ability(std::string_view id) const;
};

/// A trained model on the rows of one split, batch by batch. Unless a function says otherwise: dtype: that of
/// Build::options, under mixed precision, too; calls: any number of times, computed when first asked for, once for all
/// metrics; errors: throws Unsupported, with the reason, for what the model lacks (a metric that lets it pass is
/// reported as not defined, for that reason), and Error for the batch at hand outside measure().
class VARIFORM_API Measured {
 public:
  virtual ~Measured();

  // ---- the evaluation
  /// The model, in evaluation mode. Draw with random() only.
  virtual Model& model() = 0;
  /// "train", "validation" or "test".
  virtual std::string split() const = 0;
  /// How many rows the metric is given altogether.
  virtual int64_t size() const = 0;
  /// The number of rows of which these were drawn: size(), unless most_rows() is smaller.
  virtual int64_t available() const = 0;
  /// β, of the training's end or as asked for; empty when the objective has none.
  virtual std::optional<double> beta() const = 0;
  /// How H_ℓ is taken: as the user asks.
  virtual Curvature curvature() const = 0;
  /// K, the number of draws() of each row.
  virtual int64_t samples() const = 0;
  /// The number of draws of each row that the user asks for in importance-weighted values; 0: none of these values.
  virtual int64_t importance_samples() const = 0;
  /// The number of first rows for which the decoder may be differentiated twice; 0: none.
  virtual int64_t hessian_rows() const = 0;
  /// Sizes of the blocks of latents that the family has or that the user asks for; empty: none.
  virtual std::vector<int64_t> blocks() = 0;
  /// A number that is derived from the run's seed, the split and the purpose.
  virtual std::uint64_t seed(std::string_view purpose) const = 0;
  /// The model's generator (its device), seeded from the run's seed, the split, the purpose and the batch. The only
  /// source of random numbers.
  virtual Generator& random(std::string_view purpose) = 0;
  /// The same for work that depends neither on the split nor on batches.
  virtual Generator& random_at(std::string_view purpose, std::uint64_t index) = 0;
  /// The number of rows in the split, whether or not they are measured.
  virtual int64_t split_size() const = 0;
  /// Any rows of the split by number, with their context: int64 [n] on the CPU -> x [n, data…].
  virtual Batch rows(const Tensor& index) = 0;
  /// Features of images. Unsupported where there is no classifier, as for data without labels.
  virtual Features& features() = 0;
  /// Reports progress of long work: `done` of `all` are complete. Throws when the user stops the evaluation; let it
  /// pass.
  virtual void progress(int64_t done, int64_t all) = 0;
  /// Where the data are bytes with uniform noise: the standard deviations by which their values, from 0 to 1, were
  /// divided, float64 on the CPU, of the shape [data…] or one that broadcasts to it. Empty for all other data.
  virtual std::optional<Tensor> noisy_bytes() const = 0;

  // ---- the training
  /// The number of rows in a batch of the training.
  virtual int64_t training_rows() const = 0;
  /// The gradient of the training's loss with respect to all trained parameters, [their numbers] in float64: at the end
  /// of the schedules, in training mode, for the training's batch with this number. Its random numbers depend on `draw`
  /// alone; buffers that a training step changes go on from one call to the next. Leaves the model as it was.
  virtual Tensor training_gradient(int64_t batch, int64_t draw) = 0;

  // ---- the batch at hand: in measure() only
  /// x [B, data…], labels and index, on the model's device.
  virtual const Batch& batch() = 0;
  /// q(z|x). It may be kept.
  virtual std::shared_ptr<const Posterior> posterior() = 0;
  /// h, the location of q, [B, d].
  virtual Tensor codes() = 0;
  /// Draws of q, z [K, B, d].
  virtual const Draw& draws() = 0;
  /// ℓ = −log p(x|g(z)) of each draw, [K, B] float64, nats.
  virtual Tensor nll() = 0;
  /// ℓ of any latents, z [S, B, d] -> [S, B] float64, a few at a time, so that memory stays bounded.
  virtual Tensor nll_of(const Tensor& z) = 0;
  /// ℓ(h), [B] float64, nats.
  virtual Tensor nll_at_codes() = 0;
  /// KL(q(z|x) ‖ p(z)), [B] float64, nats.
  virtual Tensor kl() = 0;
  /// G = JᵀJ at h, J over the decoder's outputs, [B, d, d] float64.
  virtual Tensor pullback_metric() = 0;
  /// H = JᵀH_ℓJ at h, [B, d, d] float64 (theory §1).
  virtual Tensor hessian() = 0;
  /// The covariance Σ of q, [B or 1, d, d] float64.
  virtual Covariance covariance() = 0;
  /// Σ* [B, d, d], optimal for this decoder at β within the structure of the family's covariance, float64 (theory §4).
  virtual Covariance optimal_covariance() = 0;
  /// The same [B, d, d] for another β, above 0.
  virtual Covariance optimal_covariance_at(double beta) = 0;
  /// What is left of ½ tr(HΣ) + β KL at the optimal Σ within a structure (theory §4), [B] float64, nats.
  virtual Tensor curvature_penalty(const Structure& structure) = 0;
  /// Known factors of variation, [B, F] float64 on the CPU. Unsupported when the data have none.
  virtual Tensor factors() = 0;
  /// Their names, as many as are known.
  virtual std::vector<std::string> factor_names() const = 0;
  /// An ability of a later release's, as Component::ability(); nullptr when it has none of that name.
  virtual const void* ability(std::string_view id) const;
};

/// Several models' codes of the same rows. Unless a function says otherwise: dtype: float64, of models under mixed
/// precision, too.
class VARIFORM_API Compared {
 public:
  virtual ~Compared();
  /// R, at least 2.
  virtual int64_t runs() const = 0;
  /// What the user calls a run, 0 … R − 1.
  virtual std::string name(int64_t run) const = 0;
  /// h of a run, 0 … R − 1, for the same rows: [N, d] float64 on the CPU. Runs may differ in d.
  virtual Tensor codes(int64_t run) = 0;
  /// Which latents of a run have a KL above 0.01 nats, bool [d] on the CPU; the variance of the code, where q has no
  /// covariance.
  virtual Tensor informative(int64_t run) = 0;
  /// The true latents of the rows, [N, d] float64 on the CPU; undefined where they are not known.
  virtual Tensor true_latents() = 0;
  /// See Measured::progress().
  virtual void progress(int64_t done, int64_t all) = 0;
  /// An ability of a later release's, as Component::ability(); nullptr when it has none of that name.
  virtual const void* ability(std::string_view id) const;
};

/// An option of `evaluate` that is the short way to ask for a metric.
struct Shorthand {
  std::string option;     ///< "gradient-draws": one of those that `evaluate` has, without dashes
  std::string parameter;  ///< the metric's parameter that takes the option's value; empty: it has none
};

/// A metric of one model, of several, or of both. Abilities: ext/metric.h. `evaluate` builds it, calls measure() for
/// each batch in order, then finish(); `compare` calls compare(). It lives for one evaluation or comparison, and may
/// keep what it needs between the batches: that is no state of a model, and is never saved. What it throws is reported
/// in place of its numbers.
class VARIFORM_API Metric : public Component {
 public:
  static constexpr Kind kKind = Kind::kMetric;  ///< what kind of component it is
  ~Metric() override;
  /// What it reports of one model, in the order of tables; nothing: it only compares. Depends on its parameters only,
  /// and is asked without a model, too.
  virtual std::vector<Quantity> quantities() const = 0;
  /// Looks at one batch, B ≥ 1 rows. Once per batch, in order.
  virtual void measure(Measured& at, Findings& findings) = 0;

  /// What needs all rows at once, by the ability Finishes; nothing without it. The batch at hand is gone.
  void finish(Measured& at, Findings& findings);
  /// What it reports of several models, by the ability Compares; nothing without it.
  std::vector<Quantity> comparisons() const;
  /// Compares several models, by the ability Compares.
  void compare(Compared& runs, Findings& findings);
  /// The most rows that it needs, by the ability MostRows; 0: all.
  int64_t most_rows() const;
  /// True when it takes long (ability OnRequest).
  bool on_request() const;
  /// The option of `evaluate` that asks for it, too (ability OnRequest).
  std::optional<Shorthand> shorthand() const;
  /// True when its quantities stand among the values (ability InValues).
  bool in_values() const;
};

}  // namespace v2
}  // namespace variform
