#pragma once
// What the steps from files to data sets share: where they are, the shape of the data, the parts.

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

/// The parts that have rows.
std::vector<Dataset*> parts_of(Splits& splits);

}  // namespace variform::data
