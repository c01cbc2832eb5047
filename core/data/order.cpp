// See order.h.

#include "data/order.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>

#include <variform/random.h>

#include <variform/shuffle.h>

namespace variform::data {
namespace {

void check(std::int64_t size, std::int64_t batch) {
  if (size < 1 || batch < 1)
    throw std::invalid_argument(fmt::format(
        "batches need at least one row and a batch size of at least 1, found {} data and batch size {}.",
        size, batch));
}

}  // namespace

BatchOrder::BatchOrder(std::int64_t size, std::int64_t batch, std::uint64_t seed)
    : size_(size), batch_(batch), seed_(seed) {
  check(size, batch);
}

const std::vector<std::int64_t>& BatchOrder::epoch(std::int64_t number) const {
  if (const auto found = cache_.find(number); found != cache_.end()) return found->second;
  // A batch across two epochs needs both, and the next step the later one.
  while (cache_.size() > 1)
    cache_.erase(cache_.begin()->first < number ? cache_.begin() : std::prev(cache_.end()));
  return cache_[number] = permutation(size_, hash(seed_, "epoch", number));
}

at::Tensor BatchOrder::indices(std::int64_t step) const {
  if (step < 0)
    throw std::invalid_argument(fmt::format("a batch is asked for by its step, from 0, found {}.", step));
  at::Tensor batch = at::empty({batch_}, at::kLong);  // [batch]
  auto* out = batch.mutable_data_ptr<std::int64_t>();
  std::int64_t position = step * batch_;
  for (std::int64_t left = batch_; left > 0;) {
    const auto& order = epoch(position / size_);
    const std::int64_t start = position % size_, n = std::min(left, size_ - start);
    out = std::copy_n(order.begin() + start, n, out);
    position += n;
    left -= n;
  }
  return batch;
}

double BatchOrder::epochs(std::int64_t steps) const {
  return static_cast<double>(steps) * static_cast<double>(batch_) / static_cast<double>(size_);
}

std::int64_t BatchOrder::steps(std::int64_t epochs) const { return (epochs * size_ + batch_ - 1) / batch_; }

std::vector<at::Tensor> evaluation_order(std::int64_t size, std::int64_t batch) {
  check(size, batch);
  std::vector<at::Tensor> batches;
  for (std::int64_t first = 0; first < size; first += batch)
    batches.push_back(at::arange(first, std::min(size, first + batch), at::kLong));
  return batches;
}

}  // namespace variform::data
