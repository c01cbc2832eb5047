// See batches.h.

#include "model/batches.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <variform/random.h>

#include "data/order.h"
#include "model/checkpoints.h"

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
    const Tensor index = data::sent(order_.indices(step), generator_.device());
    return gather(splits_.train, index, hash(seed_, "data", static_cast<uint64_t>(step)));
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
  Tensor examples(int64_t n) override {
    return gather(splits_.train, at::arange(std::min(n, size())), hash(seed_, "examples")).x;
  }

 private:
  const data::Dataset& held_out() const {
    return splits_.validation.size() > 0 ? splits_.validation : splits_.test;
  }
  Batch gather(const data::Dataset& from, const Tensor& index, uint64_t seed) {
    Batch batch;
    if (from.needs_generator()) generator_.set_current_seed(seed);
    batch.x = from.gather(index, from.needs_generator() ? &generator_ : nullptr);
    batch.context.labels = from.gather_column(from.labels(), index);
    batch.context.condition = from.gather_condition(index);
    batch.context.mask = from.gather_mask(index);
    batch.context.index = index.to(generator_.device());
    batch.dataset_size = size();
    return batch;
  }

  data::Splits splits_;
  data::BatchOrder order_;
  uint64_t seed_;
  Generator generator_;
};

// Draws data from a decoder, a prior and a likelihood.
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
    assembly_ = std::make_unique<Assembly>(parts, registry);
    if (snapshot) assembly_->load(snapshot->tensors, loaded);
    assembly_->set_training(false);
  }

  // Returns n draws of (x, z) from the stream (seed, purpose, index).
  std::pair<Tensor, Tensor> draw(int64_t n, const char* purpose, int64_t index) {
    at::NoGradGuard no_grad;
    assembly_->seed(purpose, index);
    const Tensor z = assembly_->model().sample_prior(n, {});
    return {assembly_->model().sample_data(assembly_->model().decode(z, {})), z};
  }

  data::Dataset dataset(int64_t n, const char* purpose) {
    constexpr int64_t kChunk = 4096;
    std::vector<Tensor> x, z;
    for (int64_t first = 0; first < n; first += kChunk) {
      auto [some_x, some_z] = draw(std::min(kChunk, n - first), purpose, first);
      x.push_back(some_x);
      z.push_back(some_z);
    }
    data::Columns columns;
    columns.x = at::cat(x);
    columns.latents = at::cat(z);
    return data::Dataset::from_tensors(columns, domain(), assembly_->spec().options.dtype().toScalarType());
  }

  std::string domain() const { return to_string(assembly_->model().likelihood().domain()); }

 private:
  static constexpr Kind kDrawn[] = {Kind::kLikelihood, Kind::kPrior, Kind::kDecoder};
  uint64_t seed_;
  std::unique_ptr<Assembly> assembly_;
};

class FreshBatches final : public Batches {
 public:
  FreshBatches(const config::ModelDataSpec& spec, const plugins::Registry& registry, int64_t batch,
               at::TensorOptions options)
      : drawer_(spec, registry, options), batch_(batch) {
    if (spec.test > 0) test_ = drawer_.dataset(spec.test, "test data");
  }
  int64_t size() const override { return kNominalEpoch; }
  std::string domain() const override { return drawer_.domain(); }
  Batch training(int64_t step) override {
    Batch batch;
    batch.x = drawer_.draw(batch_, "data", step).first;
    batch.dataset_size = size();
    return batch;
  }
  std::string evaluation_split() const override { return "test"; }
  int64_t evaluation_size() const override { return test_.size(); }
  Batch evaluation(int64_t first, int64_t count) override {
    Batch batch;
    const Tensor index = at::arange(first, first + count);
    batch.x = test_.gather(index);
    batch.context.index = index.to(batch.x.device());
    batch.dataset_size = size();
    return batch;
  }
  Tensor evaluation_latents(int64_t first, int64_t count) override {
    return test_.gather_column(test_.latents(), at::arange(first, first + count));
  }
  Tensor examples(int64_t n) override { return drawer_.draw(n, "examples", 0).first; }

 private:
  static constexpr int64_t kNominalEpoch = 10000;  // an endless set needs some length for "every epoch"
  Drawer drawer_;
  int64_t batch_;
  data::Dataset test_;
};

}  // namespace

std::unique_ptr<Batches> batches_of(data::Splits splits, int64_t batch, uint64_t seed,
                                    at::TensorOptions options) {
  return std::make_unique<StoredBatches>(std::move(splits), batch, seed, options);
}

data::Splits draw_data(const config::ModelDataSpec& spec, const plugins::Registry& registry,
                       at::TensorOptions options) {
  Drawer drawer(spec, registry, options);
  data::Splits splits;
  splits.name = "model";
  if (spec.size > 0) splits.train = drawer.dataset(spec.size, "training data");
  if (spec.test > 0) splits.test = drawer.dataset(spec.test, "test data");
  return splits;
}

std::unique_ptr<Batches> fresh_batches(const config::ModelDataSpec& spec, const plugins::Registry& registry,
                                       int64_t batch, at::TensorOptions options) {
  return std::make_unique<FreshBatches>(spec, registry, batch, options);
}

}  // namespace variform::model
