// See sharded_step.h.

#include "train/sharded_step.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include <variform/calls.h>

#include "train/naming.h"

namespace variform::train {
namespace {

// LibTorch uses one thread for an operation while it lives. Costs less than a microsecond.
class OneThread {
 public:
  OneThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const int before_;
};

int64_t members_for(const Shards& shards, const model::Assembly& assembly) {
  if (!assembly.spec().options.device().is_cpu()) return 1;
  return std::clamp<int64_t>(at::get_num_threads(), 1, shards.own);
}

std::vector<Tensor> tensors_of(const std::vector<ParameterGroup>& groups) {
  std::vector<Tensor> all;
  for (const ParameterGroup& group : groups)
    for (const NamedParameter& parameter : group.parameters) all.push_back(parameter.tensor);
  return all;
}

Batch rows_of(const Batch& batch, const ShardRows& rows) {
  return {batch.x.narrow(0, rows.first, rows.count), batch.context.rows(rows.first, rows.count),
          batch.dataset_size};
}

}  // namespace

ShardedStep::ShardedStep(int64_t shards, model::Assembly& assembly, Optimizer& optimizer, const Batch& rows,
                         Group* group)
    : shards_(Shards::of(shards, group)),
      optimizer_(optimizer),
      group_(group),
      seed_(assembly.spec().seed),
      parameters_(tensors_of(optimizer.groups())),
      results_(static_cast<size_t>(shards_.own)),
      members_(static_cast<size_t>(members_for(shards_, assembly))),
      team_(static_cast<int64_t>(members_.size())) {
  const OneThread one_thread;
  assembly.set_training(true);
  for (size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[i];
    if (i > 0) member.replica = std::make_unique<Replica>(assembly, rows);
    member.assembly = i > 0 ? &member.replica->assembly() : &assembly;
    member.parameters = i > 0 ? tensors_of(member.assembly->parameter_groups({})) : parameters_;
    member.buffers = std::make_unique<WatchedBuffers>(*member.assembly);
  }
  divide_parameters();
  if (group_) lay_out_gradients();
  team_.run([](int64_t) { at::set_num_threads(1); });  // a setting of each thread
}

// Gives each thread parameters to update, about as many numbers as the others have.
void ShardedStep::divide_parameters() {
  std::vector<size_t> by_size(parameters_.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return parameters_[a].numel() > parameters_[b].numel(); });
  std::vector<int64_t> load(members_.size());
  for (size_t parameter : by_size) {
    const auto least = std::min_element(load.begin(), load.end()) - load.begin();
    load[static_cast<size_t>(least)] += parameters_[parameter].numel();
    members_[static_cast<size_t>(least)].updated.push_back(parameter);
  }
}

std::string ShardedStep::description() const {
  const size_t threads = members_.size();
  return fmt::format("each batch is cut into {} shards; this process computes {}, by {} thread{}",
                     shards_.count, shards_.own, threads, threads == 1 ? "" : "s");
}

// Makes one tensor of all gradients, for one sum over the processes.
void ShardedStep::lay_out_gradients() {
  int64_t size = 0;
  for (const Tensor& parameter : parameters_) {
    if (parameter.options().dtype() != parameters_[0].options().dtype())
      throw Error("the parameters are of several dtypes, which processes cannot add at once");
    size += parameter.numel();
  }
  if (parameters_.empty()) return;
  flat_ = at::zeros({size}, parameters_[0].options().requires_grad(false));
  int64_t first = 0;
  for (const Tensor& parameter : parameters_) {
    places_.push_back(flat_.narrow(0, first, parameter.numel()).view(parameter.sizes()));
    first += parameter.numel();
  }
}

Terms ShardedStep::run(const Batch& batch, int64_t step, double clip_norm,
                       const std::function<void(const Terms&)>& look) {
  const OneThread one_thread;
  Terms terms;
  {  // the record of calls is one for all threads
    const Calling calling(nullptr, nullptr, "the shards of the batch", step);
    team_.run([&](int64_t member) { compute_own(member, batch, step); });
    terms = joined_terms();
  }
  look(terms);
  const auto each = [&](const std::function<void(const std::vector<size_t>&)>& work) {
    team_.run([&](int64_t member) { work(members_[static_cast<size_t>(member)].updated); });
  };
  const bool at_once = !group_ && clip_norm <= 0;  // while the sums are in the processor's cache
  each([&](const std::vector<size_t>& chosen) {
    join_gradients(chosen);
    if (at_once) optimizer_.update(chosen);
  });
  if (group_ && flat_.defined()) group_->add(flat_);
  if (clip_norm > 0) optimizer_.clip(clip_norm);
  if (!at_once) each([&](const std::vector<size_t>& chosen) { optimizer_.update(chosen); });
  optimizer_.zero_grad();
  for (Result& result : results_) result = {};
  return terms;
}

// Computes the shards of one thread.
void ShardedStep::compute_own(int64_t number, const Batch& batch, int64_t step) {
  Member& member = members_[static_cast<size_t>(number)];
  if (member.replica) member.replica->follow();
  member.assembly->set_step(step);
  member.buffers->begin();
  const auto many = static_cast<int64_t>(members_.size());
  for (int64_t i = shards_.own * number / many; i < shards_.own * (number + 1) / many; ++i) {
    member.assembly->model().rng.set_current_seed(shard_seed(seed_, step, shards_.first + i));
    results_[static_cast<size_t>(i)] = computed(member, batch, shards_.first + i);
  }
  member.buffers->require_unwritten();
}

ShardedStep::Result ShardedStep::computed(Member& member, const Batch& batch, int64_t shard) {
  const ShardRows rows = shards_.rows(shard, batch.x.size(0));
  HostModel& model = member.assembly->model();
  const Terms terms = model.evaluate(rows_of(batch, rows));
  if (terms.loss.dim() != 1)
    throw Error(std::string("objective ") + model.label(Kind::kObjective) +
                " gives one loss for all rows of a batch, so that the batch cannot be cut. Write "
                "train.shards = 1.");
  const auto all = static_cast<double>(batch.x.size(0));
  // A part that does not split over rows counts for each of the shard's rows.
  const auto share = [&](const Tensor& part) {
    const Tensor whole = part.detach().sum(at::kDouble);
    return whole * (static_cast<double>(rows.count) / static_cast<double>(part.numel()) / all);
  };
  Result result;
  std::vector<Tensor> sums{share(terms.loss)};
  for (const auto& [name, part] : terms.parts) {
    result.parts.push_back(name);
    sums.push_back(share(part));
  }
  result.sums = at::stack(sums);
  const Tensor loss = terms.loss.sum() / all;
  result.gradients = in_backward(model, loss, [&] {
    return torch::autograd::grad({loss}, member.parameters, {}, /*retain_graph=*/false,
                                 /*create_graph=*/false, /*allow_unused=*/true);
  });
  return result;
}

// Adds the shards' terms.
Terms ShardedStep::joined_terms() {
  for (const Result& result : results_)
    if (result.parts != results_[0].parts)
      throw Error("the objective's parts have other names in another shard of the same batch");
  std::vector<Tensor> sums;
  for (const Result& result : results_) sums.push_back(result.sums);
  add_in_tree(0, shards_.own, [&](int64_t to, int64_t from) {
    sums[static_cast<size_t>(to)] = sums[static_cast<size_t>(to)] + sums[static_cast<size_t>(from)];
  });
  if (group_) group_->add(sums[0]);
  Terms terms;
  terms.loss = sums[0][0];
  for (size_t i = 0; i < results_[0].parts.size(); ++i)
    terms.parts.emplace_back(results_[0].parts[i], sums[0][static_cast<int64_t>(i) + 1]);
  return terms;
}

// The sum of a parameter's gradients; undefined when no shard has one. No tensor of a shard is written to: autograd may
// give one tensor for two parameters.
Tensor ShardedStep::joined_gradient(size_t parameter) const {
  std::vector<Tensor> all;
  for (const Result& result : results_) all.push_back(result.gradients[parameter]);
  add_in_tree(0, shards_.own, [&](int64_t to, int64_t from) {
    Tensor& sum = all[static_cast<size_t>(to)];
    const Tensor& other = all[static_cast<size_t>(from)];
    if (sum.defined() && other.defined()) sum = sum + other;
    else if (sum.defined() || other.defined()) sum = (sum.defined() ? sum : other).clone();
  });
  return all[0];
}

// Sets the gradients of some parameters; with a group they lie in the flat tensor that it adds.
void ShardedStep::join_gradients(const std::vector<size_t>& chosen) {
  const at::NoGradGuard no_grad;
  for (size_t parameter : chosen) {
    Tensor gradient = joined_gradient(parameter);
    if (group_ && gradient.defined()) gradient = places_[parameter].copy_(gradient);
    else if (group_) places_[parameter].zero_();
    parameters_[parameter].mutable_grad() = gradient;
  }
}

}  // namespace variform::train
