// See batches.h.

#include "model/batches.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <variform/ext/condition.h>
#include <variform/random.h>

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "data/order.h"
#include "model/checkpoints.h"
#include "model/data_facts.h"

namespace variform::model {
namespace {

class StoredBatches final : public Batches {
 public:
  StoredBatches(data::Splits splits, int64_t batch, uint64_t seed, at::TensorOptions options)
      : splits_(std::move(splits)),
        order_(splits_.train.size(), batch, seed),
        seed_(seed),
        generator_(make_generator(options.device(), seed)) {}

  int64_t size() const override { return splits_.train.size(); }
  std::string domain() const override { return splits_.train.domain(); }
  Batch training(int64_t step) override {
    const Tensor order = order_.indices(step);
    const bool are_on_host = splits_.train.is_in_place() || !splits_.train.is_on_device();
    const Tensor index =
        are_on_host ? order : data::sent(order, generator_.device());  // the host never waits for it
    Batch batch = gather(splits_.train, index, hash(seed_, "data", static_cast<uint64_t>(step)));
    if (splits_.train.is_in_place()) splits_.train.foresee(order_.indices(step + 1));
    return batch;
  }
  std::string evaluation_split() const override {
    return splits_.validation.size() > 0 ? "validation" : "test";
  }
  int64_t evaluation_size() const override { return held_out().size(); }
  Batch evaluation(int64_t first, int64_t count) override {
    return gather(held_out(), at::arange(first, first + count),
                  hash(seed_, "evaluation data", static_cast<uint64_t>(first)));
  }
  Tensor evaluation_latents(int64_t first, int64_t count) override {
    return held_out().gather_column(held_out().latents(), at::arange(first, first + count));
  }
  Tensor examples(int64_t n) override { return first_rows(n).x; }
  Context example_context(int64_t n) override { return first_rows(n).context; }
  data::Condition condition() const override { return splits_.condition; }

 private:
  const data::Dataset& held_out() const {
    return splits_.validation.size() > 0 ? splits_.validation : splits_.test;
  }
  Batch first_rows(int64_t n) {
    return gather(splits_.train, at::arange(std::min(n, size())), hash(seed_, "examples"));
  }
  Batch gather(const data::Dataset& from, const Tensor& index, uint64_t seed) {
    Batch batch;
    if (from.needs_generator()) generator_.set_current_seed(seed);
    batch.x = from.gather(index, from.needs_generator() ? &generator_ : nullptr);
    batch.context.labels = from.gather_column(from.labels(), index);
    batch.context.condition = from.gather_condition(index);
    batch.context.mask = from.gather_mask(index);
    batch.context.index = data::sent(index, generator_.device());
    batch.dataset_size = size();
    return batch;
  }

  data::Splits splits_;
  data::BatchOrder order_;
  uint64_t seed_;
  Generator generator_;
};

// Rows that were drawn.
struct Drawn {
  Tensor x, z;
  Context context;  // classes, and their one-hot numbers
};

// Draws data from a decoder, a prior and a likelihood, which may be conditioned on classes.
class Drawer {
 public:
  Drawer(const config::ModelDataSpec& spec, const plugins::Registry& registry, at::TensorOptions options)
      : seed_(spec.seed) {
    ModelSpec parts;
    parts.seed = spec.seed;
    parts.options = options;
    std::optional<checkpoint::Snapshot> snapshot;
    if (spec.from) {
      snapshot = checkpoint::read(checkpoint_of(*spec.from));
      const config::Experiment source = experiment_of(*snapshot, registry);
      parts.latent = source.latent;
      parts.data = shape_of(*snapshot);
      if (const auto facts = facts_in(snapshot->attributes)) source_ = facts->condition;
      for (Kind kind : kDrawn) parts.slots[kind] = source.slots.at(kind);
    }
    std::vector<Kind> loaded(std::begin(kDrawn), std::end(kDrawn));
    const auto replace = [&](Kind kind, const std::optional<config::ComponentSpec>& part) {
      if (!part) return;
      parts.slots[kind] = *part;
      std::erase(loaded, kind);
    };
    replace(Kind::kDecoder, spec.decoder);
    replace(Kind::kPrior, spec.prior);
    replace(Kind::kLikelihood, spec.likelihood);
    if (spec.latent) parts.latent = *spec.latent;
    if (!spec.shape.empty()) parts.data = spec.shape;
    parts.condition = spec.classes > 0 ? spec.classes : source_.size;
    assembly_ = std::make_unique<Assembly>(parts, registry);
    if (snapshot) assembly_->load(snapshot->tensors, loaded);
    assembly_->set_training(false);
    set_classes(spec);
  }

  // The number of classes that the rows have; 0: none.
  int64_t classes() const { return classes_; }

  // Returns n draws from the stream (seed, purpose, index). Their classes follow each other: row `first` of all is of
  // class `first` modulo the number of classes.
  Drawn draw(int64_t n, const char* purpose, int64_t index, int64_t first) {
    at::NoGradGuard no_grad;
    assembly_->seed(purpose, index);
    Drawn drawn;
    if (classes_ > 0) {
      const at::TensorOptions& options = assembly_->spec().options;
      drawn.context.labels = at::arange(first, first + n, options.dtype(at::kLong)).remainder(classes_);
      drawn.context.condition = at::one_hot(drawn.context.labels, classes_).to(options);
    }
    drawn.z = assembly_->model().sample_prior(n, drawn.context);
    drawn.x = assembly_->model().sample_data(assembly_->model().decode(drawn.z, drawn.context));
    return drawn;
  }

  // Returns n rows with their latents and classes; the classes are their condition, too, if `conditioned`.
  data::Dataset dataset(int64_t n, const char* purpose, bool conditioned) {
    constexpr int64_t kChunk = 4096;
    std::vector<Tensor> x, z, labels;
    for (int64_t first = 0; first < n; first += kChunk) {
      const Drawn drawn = draw(std::min(kChunk, n - first), purpose, first, first);
      x.push_back(drawn.x);
      z.push_back(drawn.z);
      if (classes_ > 0) labels.push_back(drawn.context.labels);
    }
    data::Columns columns;
    columns.x = at::cat(x);
    columns.latents = at::cat(z);
    if (classes_ > 0) columns.labels = at::cat(labels);
    const auto dataset = data::Dataset::from_tensors(std::move(columns), domain(),
                                                     assembly_->spec().options.dtype().toScalarType());
    return conditioned ? dataset.conditioned(dataset.labels(), classes_) : dataset;
  }

  std::string domain() const { return to_string(assembly_->model().likelihood().domain()); }

  // What a model of these data is conditioned on by [data] condition.
  data::Condition condition_by(const config::DataSpec& spec) const {
    if (spec.condition.empty()) return {};
    if (classes_ > 0) return {spec.condition, classes_, {}, {}};
    throw std::invalid_argument(
        "data.condition = \"" + spec.condition +
        "\" needs classes, and the model that the data are drawn from has none: write classes "
        "= 10 in [data.dataset], and condition its prior or decoder on them.");
  }

 private:
  static constexpr Kind kDrawn[] = {Kind::kLikelihood, Kind::kPrior, Kind::kDecoder};

  // Classes count where a component of the model is conditioned on them.
  void set_classes(const config::ModelDataSpec& spec) {
    const bool used = std::any_of(std::begin(kDrawn), std::end(kDrawn), [&](Kind kind) {
      return is_conditioned(*assembly_->model().component(kind));
    });
    if (spec.classes > 0 && !used)
      throw std::invalid_argument(fmt::format(
          "data.dataset.classes = {} needs a prior or a decoder that is conditioned on them, found none: "
          "write condition = true in data.dataset.decoder, or choose a conditional prior.",
          spec.classes));
    if (used && spec.classes == 0 && source_.on != "labels")
      throw std::invalid_argument(
          "data are drawn from a model without a condition, or from one with classes; this "
          "one is conditioned on " +
          (source_.on.empty() ? "numbers" : source_.on) + ".");
    if (used) classes_ = spec.classes > 0 ? spec.classes : source_.size;
  }

  uint64_t seed_;
  data::Condition source_;  // of the run that the model is taken from
  int64_t classes_ = 0;
  std::unique_ptr<Assembly> assembly_;
};

class FreshBatches final : public Batches {
 public:
  FreshBatches(const config::DataSpec& spec, const plugins::Registry& registry, int64_t batch,
               at::TensorOptions options)
      : drawer_(*spec.model, registry, options), condition_(drawer_.condition_by(spec)), batch_(batch) {
    if (spec.model->test > 0) test_ = drawer_.dataset(spec.model->test, "test data", condition_.size > 0);
  }
  int64_t size() const override { return kNominalEpoch; }
  std::string domain() const override { return drawer_.domain(); }
  Batch training(int64_t step) override {
    Drawn drawn = drawer_.draw(batch_, "data", step, step * batch_);
    Batch batch;
    batch.x = drawn.x;
    batch.context = shown(std::move(drawn.context));
    batch.dataset_size = size();
    return batch;
  }
  std::string evaluation_split() const override { return "test"; }
  int64_t evaluation_size() const override { return test_.size(); }
  Batch evaluation(int64_t first, int64_t count) override {
    Batch batch;
    const Tensor index = at::arange(first, first + count);
    batch.x = test_.gather(index);
    batch.context.labels = test_.gather_column(test_.labels(), index);
    batch.context.condition = test_.gather_condition(index);
    batch.context.index = index.to(batch.x.device());
    batch.dataset_size = size();
    return batch;
  }
  Tensor evaluation_latents(int64_t first, int64_t count) override {
    return test_.gather_column(test_.latents(), at::arange(first, first + count));
  }
  Tensor examples(int64_t n) override { return drawn_examples(n).x; }
  Context example_context(int64_t n) override { return shown(drawn_examples(n).context); }
  data::Condition condition() const override { return condition_; }

 private:
  static constexpr int64_t kNominalEpoch = 10000;  // an endless set needs some length for "every epoch"

  Drawn drawn_examples(int64_t n) { return drawer_.draw(n, "examples", 0, 0); }
  // A model that is not conditioned is shown the classes alone.
  Context shown(Context context) const {
    if (condition_.size == 0) context.condition = Tensor();
    return context;
  }

  Drawer drawer_;
  data::Condition condition_;
  int64_t batch_;
  data::Dataset test_;
};

}  // namespace

std::unique_ptr<Batches> batches_of(data::Splits splits, int64_t batch, uint64_t seed,
                                    at::TensorOptions options) {
  return std::make_unique<StoredBatches>(std::move(splits), batch, seed, options);
}

data::Splits draw_data(const config::DataSpec& spec, const plugins::Registry& registry,
                       at::TensorOptions options) {
  const config::ModelDataSpec& model = *spec.model;
  Drawer drawer(model, registry, options);
  data::Splits splits;
  splits.name = "model";
  splits.condition = drawer.condition_by(spec);
  const bool conditioned = splits.condition.size > 0;
  if (model.size > 0) splits.train = drawer.dataset(model.size, "training data", conditioned);
  if (model.test > 0) splits.test = drawer.dataset(model.test, "test data", conditioned);
  return splits;
}

std::unique_ptr<Batches> fresh_batches(const config::DataSpec& spec, const plugins::Registry& registry,
                                       int64_t batch, at::TensorOptions options) {
  return std::make_unique<FreshBatches>(spec, registry, batch, options);
}

}  // namespace variform::model
