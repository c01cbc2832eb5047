// The order of data: nothing dropped, nothing repeated, and a pure function of seed and step.

#include <algorithm>
#include <set>

#include <ATen/ATen.h>

#include "catch.h"
#include "data/order.h"
#include <variform/shuffle.h>

namespace {

using variform::data::BatchOrder;
using variform::testing::ContainsSubstring;

std::vector<std::int64_t> numbers(const at::Tensor& t) {
  return {t.data_ptr<std::int64_t>(), t.data_ptr<std::int64_t>() + t.numel()};
}

/// The first `steps` batches one after another.
std::vector<std::int64_t> stream(const BatchOrder& order, std::int64_t steps) {
  std::vector<std::int64_t> all;
  for (std::int64_t step = 0; step < steps; ++step) {
    const auto batch = numbers(order.indices(step));
    REQUIRE(static_cast<std::int64_t>(batch.size()) == order.batch());
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

}  // namespace

TEST_CASE("every epoch visits every row exactly once, in an order of its own") {
  for (const std::int64_t batch : {1, 7, 10, 32, 250}) {  // dividing or not, and larger than the data set
    const std::int64_t size = 100;
    const auto all = stream(BatchOrder(size, batch, 1), 4 * size / batch + 1);
    std::set<std::vector<std::int64_t>> epochs;
    for (std::int64_t e = 0; (e + 1) * size <= static_cast<std::int64_t>(all.size()); ++e) {
      std::vector<std::int64_t> rows(all.begin() + e * size, all.begin() + (e + 1) * size);
      epochs.insert(rows);
      std::sort(rows.begin(), rows.end());
      for (std::int64_t i = 0; i < size; ++i) REQUIRE(rows[static_cast<std::size_t>(i)] == i);
    }
    CHECK(epochs.size() >= 4);
  }
}

TEST_CASE("a step's batch depends on seed and step alone") {
  const BatchOrder forward(1000, 96, 5);
  const auto expected = stream(forward, 40);
  const BatchOrder jumping(1000, 96, 5);
  for (const std::int64_t step : {39, 0, 25, 11, 10, 10, 38, 1}) {
    const auto batch = numbers(jumping.indices(step));
    CHECK(std::equal(batch.begin(), batch.end(), expected.begin() + step * 96));
  }
  CHECK(numbers(BatchOrder(1000, 96, 6).indices(0)) != numbers(forward.indices(0)));
}

TEST_CASE("permutations are the same on every platform and uniform") {
  // Written down once: a change of this list breaks the resuming of every run.
  CHECK(variform::permutation(8, 42) == std::vector<std::int64_t>{4, 3, 2, 0, 7, 6, 1, 5});
  std::vector<int> first(6);
  for (std::uint64_t seed = 0; seed < 6000; ++seed)
    ++first[static_cast<std::size_t>(variform::permutation(6, seed)[0])];
  for (int count : first) CHECK(std::abs(count - 1000) < 150);  // five standard deviations
}

TEST_CASE("epochs and steps") {
  const BatchOrder order(60000, 128, 1);
  CHECK(order.steps(20) == 9375);
  CHECK(order.epochs(9375) == 20);
  CHECK(order.steps(1) == 469);
}

TEST_CASE("evaluation visits the rows in order, the last batch being shorter") {
  const auto batches = variform::data::evaluation_order(10, 4);
  REQUIRE(batches.size() == 3);
  CHECK(numbers(batches[0]) == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(numbers(batches[2]) == std::vector<std::int64_t>{8, 9});
}

TEST_CASE("batches of nothing are refused") {
  CHECK_THROWS_WITH(BatchOrder(0, 4, 1), ContainsSubstring("found 0 data and batch size 4."));
  CHECK_THROWS_WITH(BatchOrder(4, 0, 1), ContainsSubstring("found 4 data and batch size 0."));
  CHECK_THROWS_WITH(BatchOrder(4, 4, 1).indices(-1), ContainsSubstring("found -1."));
}
