#pragma once
// What the steps from files to data sets share: where they are, the shape of the data, the parts.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "config/experiment.h"
#include "data/dataset.h"
#include "data/descriptor.h"

namespace variform::data {

/// The state while one split is prepared; `where` begins every message.
struct Context {
  const Descriptor& descriptor;
  const Split& split;
  const config::DataSpec& spec;
  std::string where;
};

std::string shape_text(at::IntArrayRef shape);

/// Reshapes [N, …] as stored to [N, channels, height, width] or [N, P].
at::Tensor shaped(at::Tensor x, const Context& context, std::vector<std::string>& notes);

/// Calls visit(rows, number of the first one) for all rows of x: all at once, or, in place, some 64 MB at a time, whose
/// memory is let go of after each call.
void visit_rows(const at::Tensor& x, bool in_place,
                const std::function<void(const at::Tensor& rows, std::int64_t first)>& visit);

/// The parts that have rows.
std::vector<Dataset*> parts_of(Splits& splits);

}  // namespace variform::data
