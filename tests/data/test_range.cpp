// The range of observed values: in pieces as at once, whatever the type, and without a say for what is missing.

#include <ATen/ATen.h>

#include <limits>

#include "data/dataset.h"
#include "data/range.h"
#include "data/summary.h"
#include "support.h"

namespace {

using variform::data::Columns;
using variform::data::Dataset;
using variform::data::Range;
using variform::data::summarise;
using variform::data::values_that_never_vary;

// Three values of three rows: one varies, one does not, one does in what is missing alone.
at::Tensor rows_of(at::ScalarType type) {
  return at::tensor({1, 4, 0, 2, 4, 7, 3, 4, 7}, at::kDouble).reshape({3, 3}).to(type);
}
at::Tensor mask_of_rows() { return at::tensor({1, 1, 0, 1, 1, 1, 1, 1, 1}, at::kLong).reshape({3, 3}) == 1; }

}  // namespace

TEST_CASE("a range is of the observed values, added up piece by piece") {
  const at::Tensor mask = mask_of_rows();
  for (const at::ScalarType type : {at::kByte, at::kLong, at::kFloat, at::kDouble}) {
    const at::Tensor rows = rows_of(type);
    Range all, observed;
    all.add(rows, {});
    for (std::int64_t row = 0; row < 3; ++row) observed.add(rows.narrow(0, row, 1), mask.narrow(0, row, 1));
    CHECK(at::equal(all.low.to(at::kDouble), at::tensor({1.0, 4.0, 0.0}, at::kDouble)));
    CHECK(at::equal(all.high.to(at::kDouble), at::tensor({3.0, 4.0, 7.0}, at::kDouble)));
    CHECK(at::equal(observed.low.to(at::kDouble), at::tensor({1.0, 4.0, 7.0}, at::kDouble)));
    CHECK(all.constants() == 1);
    CHECK(observed.constants() == 2);
  }
}

TEST_CASE("a value that was never observed counts as one that never varies") {
  Range range;
  CHECK(range.constants() == 0);
  at::Tensor mask = mask_of_rows();
  mask.select(1, 0).fill_(false);
  range.add(rows_of(at::kFloat), mask);
  CHECK(range.low[0].item<double>() == std::numeric_limits<double>::infinity());
  CHECK(range.constants() == 3);
}

TEST_CASE("a summary and a training's first lines count the same constants") {
  for (const bool gaps : {false, true}) {
    Columns columns;
    columns.x = rows_of(at::kFloat);
    if (gaps) columns.mask = mask_of_rows();
    const Dataset data = Dataset::from_tensors(columns, "real", at::kFloat);
    CHECK(values_that_never_vary(data) == (gaps ? 2 : 1));
    CHECK(summarise(data, "train").constants == values_that_never_vary(data));
    CHECK(summarise(data, "train").low == (gaps ? 1 : 0));
    CHECK(summarise(data, "train").missing == (gaps ? 1 : 0));
  }
  CHECK(values_that_never_vary(Dataset()) == 0);
}
