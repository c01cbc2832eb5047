// See range.h.

#include "data/range.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "data/dataset.h"

namespace variform::data {

void Range::add(const at::Tensor& rows, const at::Tensor& mask) {
  at::Tensor least = rows.flatten(1), most = least;
  if (mask.defined()) {
    constexpr double kNone = std::numeric_limits<double>::infinity();
    const at::Tensor missing = mask.flatten(1).logical_not();
    if (!least.is_floating_point()) least = most = least.to(at::kDouble);
    least = least.masked_fill(missing, kNone);
    most = most.masked_fill(missing, -kNone);
  }
  least = least.amin(0);
  most = most.amax(0);
  low = low.defined() ? at::minimum(low, least) : least;
  high = high.defined() ? at::maximum(high, most) : most;
}

std::int64_t Range::constants() const { return low.defined() ? (low >= high).sum().item<std::int64_t>() : 0; }

std::int64_t values_that_never_vary(const Dataset& data) {
  constexpr std::int64_t kRowsAtOnce = 8192;  // of copies of values that may be missing
  Range range;
  for (std::int64_t first = 0; first < data.size(); first += kRowsAtOnce) {
    const std::int64_t count = std::min(kRowsAtOnce, data.size() - first);
    range.add(data.stored_rows(at::arange(first, first + count, at::kLong)),
              data.has_missing() ? data.mask().narrow(0, first, count) : at::Tensor());
  }
  return range.constants();
}

}  // namespace variform::data
