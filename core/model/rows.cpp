// See rows.h.

#include "model/rows.h"

#include <ATen/ATen.h>

#include <variform/random.h>

#include <stdexcept>
#include <utility>

#include "model/session.h"

namespace variform::model {
namespace {

struct Named {
  const char* name;
  const data::Dataset* dataset;
};

// Whether data are drawn afresh: they have no splits in memory, but their batches may hold rows to evaluate on.
bool is_fresh(const model::Session& session) { return session.splits.train.size() == 0; }

}  // namespace

Rows::Rows(model::Session& session, const std::string& split)
    : session_(session), generator_(model::make_generator(session.options.device(), 0)) {
  const Named all[] = {{"test", &session.splits.test},
                       {"train", &session.splits.train},
                       {"validation", &session.splits.validation}};
  std::string known;
  for (const auto& [name, dataset] : all) {
    if (dataset->size() == 0) continue;
    known += (known.empty() ? "" : ", ") + std::string(name);
    if (!split_.empty() || (!split.empty() && split != name)) continue;
    split_ = name;
    dataset_ = dataset;
    size_ = dataset->size();
  }
  if (!session.batches)
    throw std::runtime_error("this looks at data, and the model was opened without those of its run.");
  if (is_fresh(session) && session.batches->evaluation_size() > 0) {
    known = session.batches->evaluation_split();
    if (split.empty() || split == known) {
      split_ = known;
      dataset_ = nullptr;
      size_ = session.batches->evaluation_size();
    }
  }
  if (split_.empty())
    throw std::runtime_error("there are no data in the split '" + (split.empty() ? "test" : split) +
                             "'; this run's data have: " + (known.empty() ? "nothing that stays" : known) +
                             ".");
}

Batch Rows::range(std::int64_t first, std::int64_t count) {
  if (!dataset_) return session_.batches->evaluation(first, count);
  return at(at::arange(first, first + count));
}

Tensor Rows::true_latents(std::int64_t first, std::int64_t count) {
  if (!dataset_) return session_.batches->evaluation_latents(first, count);
  return dataset_->gather_column(dataset_->latents(), at::arange(first, first + count));
}

Batch Rows::at(const Tensor& index) {
  if (!dataset_) {
    Batch batch = session_.batches->evaluation(0, size_);
    batch.x = batch.x.index_select(0, index.to(batch.x.device()));
    for (Tensor* known : {&batch.context.labels, &batch.context.condition})
      if (known->defined()) *known = known->index_select(0, index.to(known->device()));
    batch.context.index = index.to(batch.x.device());
    return batch;
  }
  Batch batch;
  if (dataset_->needs_generator())
    generator_.set_current_seed(hash(session_.experiment.seed, "evaluate data", split_,
                                     static_cast<std::uint64_t>(index[0].item<std::int64_t>())));
  batch.x = dataset_->gather(index, dataset_->needs_generator() ? &generator_ : nullptr);
  batch.context.labels = dataset_->gather_column(dataset_->labels(), index);
  batch.context.condition = dataset_->gather_condition(index);
  batch.context.mask = dataset_->gather_mask(index);
  batch.context.index = index.to(batch.x.device());
  batch.dataset_size = session_.batches->size();
  return batch;
}

Tensor spread_rows(std::int64_t n, std::int64_t size) {
  n = std::min(n, size);
  return at::arange(n).mul(size).div(n, "floor").to(at::kLong);
}

Tensor unscaled(const model::Session& session, const Tensor& x) {
  const model::DataFacts& data = session.facts;
  Tensor values = x.detach();
  if (data.mean.defined()) values = values * data.sd + data.mean;
  if (data.are_bytes && session.experiment.data.scale == "none" && !session.experiment.data.dequantise)
    values = values / 255;
  return values;
}

EvaluationMode::EvaluationMode(model::Assembly& assembly)
    : assembly_(assembly), was_training_(assembly.model().decoder().is_training()) {
  assembly_.set_training(false);
}
EvaluationMode::~EvaluationMode() {
  if (was_training_) assembly_.set_training(true);
}

}  // namespace variform::model
