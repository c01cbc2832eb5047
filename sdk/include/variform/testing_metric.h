#pragma once
// For tests of metrics by themselves, without the engine: a model's rows as a metric sees them, cut into batches of any
// size, and what the metric then found. Plain and slow on purpose. Header only, and not part of the binary interface.

#include <variform/testing.h>

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace variform::testing {

/// Keeps what a metric reports, by quantity.
class Found final : public Findings {
 public:
  /// One quantity: a value with its standard error (NaN: none), or the reason why there is none.
  struct Entry {
    double value = std::nan("");  ///< NaN: none
    double error = std::nan("");  ///< its standard error; NaN: none
    std::string undefined;        ///< why there is no value
    bool is_absent = false;       ///< it does not apply
    std::string detail;           ///< what was added to its meaning
    std::vector<Tensor> rows;     ///< what rows() and geometric() were given
    bool is_geometric = false;    ///< these are logarithms
    std::vector<Tensor> below;    ///< the denominators of `rows`, from ratio()
  };

  /// Takes the declared quantities.
  explicit Found(const std::vector<Quantity>& quantities) {
    for (const Quantity& quantity : quantities) entries_[quantity.name];
  }

  /// See Findings.
  void rows(std::string_view quantity, const Tensor& values) override { add(quantity, values, false); }
  /// See Findings.
  void geometric(std::string_view quantity, const Tensor& logarithms) override {
    add(quantity, logarithms, true);
  }
  /// See Findings.
  void median(std::string_view quantity, const Tensor& values) override {
    number(quantity, at::quantile(values.flatten().to(at::kDouble), 0.5).item<double>());
  }
  /// See Findings.
  void number(std::string_view quantity, double value, std::optional<double> error = {}) override {
    Entry& entry = at(quantity);
    if (std::isfinite(value)) entry.value = value, entry.error = error.value_or(std::nan(""));
    else entry.undefined = "not finite";
  }
  /// See Findings.
  void ratio(std::string_view quantity, const Tensor& above, const Tensor& below) override {
    add(quantity, above, false);
    at(quantity).below.push_back(below.detach().to(at::kCPU, at::kDouble));
  }
  /// See Findings.
  void undefined(std::string_view quantity, std::string_view reason) override {
    Entry& entry = at(quantity);
    if (entry.undefined.empty()) entry.undefined = std::string(reason);
  }
  /// See Findings.
  void absent(std::string_view quantity) override { at(quantity).is_absent = true; }
  /// See Findings.
  void detail(std::string_view quantity, std::string_view text) override {
    at(quantity).detail += std::string(text);
  }
  /// See Findings.
  void qualify(std::string_view by) override { qualifier = by; }
  /// See Findings.
  void array(std::string_view name, const Tensor& values) override { arrays[std::string(name)] = values; }
  /// See Findings.
  void spread(std::string_view name, const Tensor& values) override { arrays[std::string(name)] = values; }
  /// See Findings.
  void labels(std::string_view /*name*/, const std::vector<std::string>& /*texts*/) override {}
  /// See Findings.
  void of_runs(std::string_view /*quantity*/, const Tensor& /*values*/) override {}
  /// See Findings.
  void note(std::string_view sentence) override { notes.emplace_back(sentence); }
  /// See Findings.
  void object(std::string_view name, std::string_view json) override { objects[std::string(name)] = json; }
  /// See Findings.
  void keep(std::string_view name, const Tensor& rows) override { kept[std::string(name)].push_back(rows); }

  /// Turns the values of rows into mean and error. Called by measure().
  void settle() {
    for (auto& [name, entry] : entries_) {
      if (entry.rows.empty() || !entry.undefined.empty()) continue;
      const Tensor all = at::cat(entry.rows);
      if (all.numel() == 0 || !all.isfinite().all().item<bool>()) {
        entry.undefined = "not finite";
        continue;
      }
      const auto n = static_cast<double>(all.numel());
      entry.value = all.mean().item<double>();
      if (n > 1) entry.error = all.std().item<double>() / std::sqrt(n);
      if (!entry.below.empty()) {
        const Tensor below = at::cat(entry.below);
        entry.value /= below.mean().item<double>();
        if (n > 1)
          entry.error =
              (all / below.mean() - entry.value * below / below.mean()).std().item<double>() / std::sqrt(n);
      }
      if (!entry.is_geometric) continue;
      entry.value = std::exp(entry.value);
      entry.error *= entry.value;
    }
  }
  /// Marks what is still missing as not defined.
  void undefined_rest(const std::string& reason) {
    for (auto& [name, entry] : entries_)
      if (std::isnan(entry.value) && entry.undefined.empty() && entry.rows.empty() && !entry.is_absent)
        entry.undefined = reason;
  }

  /// One quantity; Error for a name that was not declared.
  Entry& at(std::string_view quantity) {
    const auto found = entries_.find(quantity);
    if (found == entries_.end())
      throw Error("the quantity '" + std::string(quantity) +
                  "' is not one of those that the metric declares in quantities()");
    return found->second;
  }
  /// Its value; NaN where there is none.
  double value(std::string_view quantity) { return at(quantity).value; }
  /// All quantities.
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

  std::map<std::string, Tensor> arrays;             ///< by name
  std::string qualifier;                            ///< what qualify() was told
  std::vector<std::string> notes;                   ///< sentences
  std::map<std::string, std::string> objects;       ///< JSON by name
  std::map<std::string, std::vector<Tensor>> kept;  ///< batches of rows by name

 private:
  void add(std::string_view quantity, const Tensor& values, bool is_geometric) {
    if (values.dim() != 1)
      throw Error("the values of quantity '" + std::string(quantity) + "' have shape " +
                  to_text(values.sizes()) + "; expected one number per row, [B]");
    Entry& entry = at(quantity);
    entry.is_geometric = is_geometric;
    entry.rows.push_back(values.detach().to(at::kCPU, at::kDouble));
  }

  std::map<std::string, Entry, std::less<>> entries_;
};

/// What a metric is given in a test.
struct MeasuredOptions {
  int64_t batch = 8;                           ///< rows at a time
  int64_t draws = 4;                           ///< K
  std::optional<double> beta = 1.0;            ///< β; empty: none
  std::vector<int64_t> blocks = {};            ///< sizes of blocks of latents; empty: none
  Tensor factors = {};                         ///< [N, F]; undefined: none
  std::vector<std::string> factor_names = {};  ///< their names
  int64_t importance_samples = 3;              ///< draws of importance-weighted values
  int64_t training_rows = 16;                  ///< rows in a batch of the training
  std::uint64_t seed = 1;                      ///< of all random numbers
};

/// Images as they are, flat, for features; those of the other split are a little smaller.
class PlainFeatures final : public Features {
 public:
  /// The images of the measured split, "test", [N, data…].
  explicit PlainFeatures(Tensor x) : x_(std::move(x)) {}
  /// See Features.
  std::string name() const override { return "plain"; }
  /// See Features.
  std::string description() const override { return "no classifier"; }
  /// See Features.
  int64_t size(std::string_view /*split*/) const override { return x_.size(0); }
  /// See Features.
  Tensor of_rows(std::string_view split, const Tensor& index) override {
    return of((split == "test" ? x_ : 0.9 * x_).index_select(0, index));
  }
  /// See Features.
  Tensor of(const Tensor& x) override { return x.flatten(1).to(at::kCPU, at::kDouble); }

 private:
  Tensor x_;
};

/// A model's rows as a metric sees them. The draws of a row do not depend on the size of the batches.
class MeasuredRows final : public Measured {
 public:
  /// `x` [N, data…] in the model's dtype. The model must outlive it.
  MeasuredRows(Model& model, Tensor x, MeasuredOptions options = {})
      : model_(model), x_(std::move(x)), options_(std::move(options)) {
    const at::NoGradGuard no_grad;
    Generator own = generator(hash(options_.seed, "draws"));
    std::swap(own, model_.rng);
    z_ = model_.posterior(x_, {})->rsample(options_.draws, model_.rng).z;
    std::swap(own, model_.rng);
  }

  /// Runs a metric over all rows.
  Found measure(Metric& metric) {
    const at::NoGradGuard no_grad;
    Found found(metric.quantities());
    try {
      for (first_ = 0; first_ < x_.size(0); first_ += options_.batch) {
        const int64_t end = std::min(first_ + options_.batch, x_.size(0));
        at_hand_ = {};
        at_hand_.batch = {x_.slice(0, first_, end), {.index = at::arange(first_, end)}, x_.size(0)};
        in_batch_ = true;
        metric.measure(*this, found);
      }
      in_batch_ = false;
      first_ = 0;
      metric.finish(*this, found);
    } catch (const Unsupported& lacks) {
      found.undefined_rest(lacks.what());
    }
    found.settle();
    return found;
  }
  /// Whether the metric asked for random numbers while it looked at a batch.
  bool has_drawn_in_batch() const { return has_drawn_in_batch_; }

  /// See Measured.
  Model& model() override { return model_; }
  /// See Measured.
  std::string split() const override { return "test"; }
  /// See Measured.
  int64_t size() const override { return x_.size(0); }
  /// See Measured.
  int64_t available() const override { return x_.size(0); }
  /// See Measured.
  std::optional<double> beta() const override { return options_.beta; }
  /// See Measured.
  Curvature curvature() const override { return Curvature::kHessian; }
  /// See Measured.
  int64_t samples() const override { return options_.draws; }
  /// See Measured.
  int64_t importance_samples() const override { return options_.importance_samples; }
  /// See Measured.
  int64_t hessian_rows() const override { return x_.size(0); }
  /// See Measured.
  std::vector<int64_t> blocks() override { return options_.blocks; }
  /// See Measured.
  std::uint64_t seed(std::string_view purpose) const override { return hash(options_.seed, purpose); }
  /// See Measured.
  Generator& random(std::string_view purpose) override {
    has_drawn_in_batch_ = has_drawn_in_batch_ || in_batch_;
    model_.rng.set_current_seed(hash(options_.seed, purpose, static_cast<std::uint64_t>(first_)));
    return model_.rng;
  }
  /// See Measured.
  Generator& random_at(std::string_view purpose, std::uint64_t index) override {
    has_drawn_in_batch_ = has_drawn_in_batch_ || in_batch_;
    model_.rng.set_current_seed(hash(options_.seed, purpose, index));
    return model_.rng;
  }
  /// See Measured.
  int64_t split_size() const override { return x_.size(0); }
  /// See Measured.
  Batch rows(const Tensor& index) override { return {x_.index_select(0, index), {}, x_.size(0)}; }
  /// See Measured.
  Features& features() override { return features_; }
  /// See Measured.
  void progress(int64_t /*done*/, int64_t /*all*/) override {}
  /// See Measured.
  std::optional<Tensor> noisy_bytes() const override { return {}; }
  /// See Measured.
  int64_t training_rows() const override { return options_.training_rows; }
  /// Of the rows of one batch after another; all parameters count as trained.
  Tensor training_gradient(int64_t batch, int64_t draw) override {
    const at::AutoGradMode on(true);
    std::vector<Tensor> parameters, flat;
    for (Kind kind : kAllKinds)
      for (const Tensor& parameter : model_.component(kind)->parameters())
        if (parameter.requires_grad()) parameters.push_back(parameter);
    const int64_t first = batch * options_.training_rows % x_.size(0),
                  end = std::min(first + options_.training_rows, x_.size(0));
    model_.rng.set_current_seed(hash(options_.seed, "gradient", static_cast<std::uint64_t>(draw)));
    const Tensor loss =
        model_.evaluate({x_.slice(0, first, end), {.index = at::arange(first, end)}, x_.size(0)}).loss.mean();
    for (const Tensor& part : torch::autograd::grad({loss}, parameters, {}, false, false, true))
      if (part.defined()) flat.push_back(part.flatten().to(at::kDouble));
    return at::cat(flat);
  }

  /// See Measured.
  const Batch& batch() override {
    if (!in_batch_) throw Error("there is no batch at hand: the rows are given in measure() only");
    return at_hand_.batch;
  }
  /// See Measured.
  std::shared_ptr<const Posterior> posterior() override {
    if (!at_hand_.posterior) at_hand_.posterior = model_.posterior(batch().x, batch().context);
    return at_hand_.posterior;
  }
  /// See Measured.
  Tensor codes() override { return posterior()->location(); }
  /// See Measured.
  const Draw& draws() override {
    at_hand_.draw = {z_.narrow(1, first_, batch().x.size(0)), {}};
    return at_hand_.draw;
  }
  /// See Measured.
  Tensor nll() override { return nll_of(draws().z); }
  /// See Measured.
  Tensor nll_of(const Tensor& z) override {
    return model_.nll(batch().x, model_.decode(z, batch().context), batch().context).to(at::kDouble);
  }
  /// See Measured.
  Tensor nll_at_codes() override {
    return model_.nll(batch().x, model_.decode(codes(), batch().context), batch().context).to(at::kDouble);
  }
  /// See Measured.
  Tensor kl() override { return model_.kl(*posterior(), draws(), batch().context).to(at::kDouble); }
  /// See Measured.
  Tensor pullback_metric() override {
    const Tensor jv = model_.pushforward(codes(), model_.unit_tangents(batch().x.size(0)), batch().context)
                          .jv.flatten(2)
                          .to(at::kDouble);
    return at::einsum("ibp,jbp->bij", {jv, jv});
  }
  /// See Measured.
  Tensor hessian() override {
    return model_.latent_hessian(batch().x, codes(), model_.unit_tangents(batch().x.size(0)), batch().context)
        .hessian;
  }
  /// See Measured.
  Covariance covariance() override {
    if (const auto own = posterior()->covariance()) return own->to(at::kDouble);
    throw Unsupported("the posterior has no covariance");
  }
  /// See Measured.
  Covariance optimal_covariance() override {
    if (!options_.beta || *options_.beta <= 0) throw Unsupported("there is no β above 0");
    return optimal_covariance_at(*options_.beta);
  }
  /// See Measured.
  Covariance optimal_covariance_at(double beta) override {
    const auto prior = model_.prior().gaussian(batch().context);
    if (!prior) throw Unsupported("the prior is not Gaussian");
    return variform::optimal_covariance(covariance().structure(), hessian(), at::full({}, beta, at::kDouble),
                                        prior->covariance.to(at::kDouble).precision()[0]);
  }
  /// See Measured.
  Tensor curvature_penalty(const Structure& structure) override {
    const auto prior = model_.prior().gaussian(batch().context);
    if (!options_.beta || !prior) throw Unsupported("there is no β, or the prior is not Gaussian");
    return variform::curvature_penalty(structure, hessian(), at::full({}, *options_.beta, at::kDouble),
                                       prior->covariance.to(at::kDouble).precision()[0]);
  }
  /// See Measured.
  Tensor factors() override {
    if (!options_.factors.defined()) throw Unsupported("these data have no known factors");
    return options_.factors.narrow(0, first_, batch().x.size(0)).to(at::kDouble);
  }
  /// See Measured.
  std::vector<std::string> factor_names() const override { return options_.factor_names; }

 private:
  struct AtHand {
    Batch batch;
    std::shared_ptr<const Posterior> posterior;
    Draw draw;
  };

  Model& model_;
  Tensor x_, z_;
  PlainFeatures features_{x_};
  MeasuredOptions options_;
  AtHand at_hand_;
  int64_t first_ = 0;
  bool in_batch_ = false, has_drawn_in_batch_ = false;
};

}  // namespace variform::testing
