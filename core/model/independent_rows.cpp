// See independent_rows.h.

#include "model/independent_rows.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace variform::model {
namespace {

// Rows of a batch by their numbers in it.
Batch picked(const Batch& batch, const std::vector<int64_t>& rows) {
  const Tensor index = at::tensor(rows, at::TensorOptions(at::kLong)).to(batch.x.device());
  const auto some = [&](const Tensor& all) { return all.defined() ? all.index_select(0, index) : all; };
  const Context& context = batch.context;
  return {some(batch.x),
          {some(context.labels), some(context.condition), some(context.mask), some(context.index), {}},
          batch.dataset_size};
}

std::string named(const Assembly& assembly, Kind kind) {
  return std::string(to_string(kind)) + " " + assembly.model().label(kind);
}

[[noreturn]] void refuse(int64_t shards, const std::string& why, const std::string& authors) {
  throw Error(
      fmt::format("train.shards = {} cuts each batch into parts that are computed by themselves, and {}. "
                  "Write train.shards = 1, or choose another component; authors: {}.",
                  shards, why, authors));
}

// Whether all values are equal; what is not a number equals itself.
bool same(const Tensor& a, const Tensor& b) { return at::allclose(a, b, 0, 0, /*equal_nan=*/true); }

// The buffers of all components, copied, to be compared and put back.
class Buffers {
 public:
  explicit Buffers(const Assembly& assembly) : assembly_(assembly) {
    for (Kind kind : assembly.kinds())
      for (const auto& item : assembly.model().component(kind)->named_buffers())
        kept_.push_back({kind, item.key(), item.value(), item.value().detach().clone()});
  }
  ~Buffers() {
    const at::NoGradGuard no_grad;
    for (const Kept& buffer : kept_) Tensor(buffer.live).copy_(buffer.before);
  }
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;

  void require_unchanged(int64_t shards) const {
    for (const Kept& buffer : kept_)
      if (!buffer.live.equal(buffer.before))
        refuse(shards,
               fmt::format("{} changes its buffer '{}' in a step, which every part would do again",
                           named(assembly_, buffer.kind), buffer.name),
               "a buffer is constant in a step");
  }

 private:
  struct Kept {
    Kind kind;
    std::string name;
    Tensor live, before;
  };
  const Assembly& assembly_;
  std::vector<Kept> kept_;
};

// Two rows with others beside them, and with other ones: what the two give must not differ.
class Comparison {
 public:
  Comparison(Assembly& assembly, const Batch& rows, int64_t shards, int64_t step)
      : assembly_(assembly), shards_(shards), step_(step) {
    const int64_t n = rows.x.size(0);
    kept_ = n < 3 ? 1 : std::min<int64_t>(2, n / 3);
    std::vector<int64_t> first, second;
    for (int64_t i = 0; i < 2 * kept_; ++i) {
      first.push_back(i % n);
      second.push_back(i < kept_ ? i : n - 1 - (i - kept_));
    }
    first_ = picked(rows, first);
    second_ = picked(rows, second);
  }

  // Throws when the loss couples rows.
  void require_equal() {
    const std::vector<Tensor> one = look(first_), other = look(second_);
    for (size_t i = 0; i < one.size(); ++i)
      if (one[i].defined() != other[i].defined() || (one[i].defined() && !same(one[i], other[i]))) blame();
  }

 private:
  // Loss of the kept rows, its gradient to the parameters, and that to the other rows, which should be zero.
  std::vector<Tensor> look(const Batch& rows) {
    assembly_.set_step(step_);
    Batch batch = rows;
    batch.x = batch.x.detach().clone().requires_grad_(true);
    const Terms terms = assembly_.model().evaluate(batch);
    if (terms.loss.dim() != 1)
      refuse(shards_, named(assembly_, Kind::kObjective) + " gives one loss for all rows of a batch",
             "return Terms::loss [B] where rows do not depend on each other");
    std::vector<Tensor> asked{batch.x};
    for (const ParameterGroup& group : assembly_.parameter_groups({}))
      for (const NamedParameter& parameter : group.parameters) asked.push_back(parameter.tensor);
    std::vector<Tensor> found =
        torch::autograd::grad({terms.loss.narrow(0, 0, kept_).sum()}, asked, {}, false, false, true);
    if (found[0].defined() && found[0].narrow(0, kept_, kept_).ne(0).any().item<bool>()) blame();
    found[0] = terms.loss.detach().narrow(0, 0, kept_);
    return found;
  }

  // Names the first component in which the kept rows differ.
  [[noreturn]] void blame() {
    const at::NoGradGuard no_grad;
    Kind culprit = Kind::kObjective;
    const std::vector<Tensor> one = steps_of(first_), other = steps_of(second_);
    constexpr Kind kOrder[] = {Kind::kEncoder, Kind::kFamily,     Kind::kFamily,
                               Kind::kDecoder, Kind::kLikelihood, Kind::kPrior};
    for (size_t i = std::min({one.size(), other.size(), std::size(kOrder)}); i-- > 0;)
      if (!same(one[i], other[i])) culprit = kOrder[i];
    refuse(shards_,
           named(assembly_, culprit) + " makes the loss of a row depend on the other rows of its batch",
           "compute each row by itself");
  }

  std::vector<Tensor> steps_of(const Batch& rows) {
    Model& model = assembly_.model();
    std::vector<Tensor> found;
    const auto keep = [&](const Tensor& tensor, int64_t dimension) {
      found.push_back(tensor.narrow(dimension, 0, kept_).contiguous());
    };
    try {
      assembly_.set_step(step_);
      keep(model.encoder().encode(rows.x, rows.context), 0);
      const auto posterior = model.posterior(rows.x, rows.context);
      keep(posterior->location(), 0);
      const Draw draw = posterior->rsample(1, model.rng);
      keep(draw.z, 1);
      const Tensor g = model.decode(draw.z, rows.context);
      keep(g, 1);
      keep(model.nll(rows.x, g, rows.context), 1);
      keep(model.log_prior(draw.z, rows.context), 1);
    } catch (const std::exception&) {  // a component that cannot: the objective is named
    }
    return found;
  }

  Assembly& assembly_;
  const int64_t shards_, step_;
  int64_t kept_ = 0;
  Batch first_, second_;
};

}  // namespace

void require_independent_rows(Assembly& assembly, const Batch& rows, int64_t shards) {
  assembly.set_training(true);
  const Buffers buffers(assembly);
  const int64_t last = std::max<int64_t>(assembly.spec().horizon - 1, 0);
  for (const int64_t step : {int64_t{0}, last / 2, last}) {
    Comparison(assembly, rows, shards, step).require_equal();
    buffers.require_unchanged(shards);
  }
  assembly.set_step(0);
}

}  // namespace variform::model
