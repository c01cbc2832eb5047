#pragma once
// The trained parameters of a model, as optimizers take them.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "config/experiment.h"

namespace variform::model {

/// A trained parameter and the name under which its state is stored: "encoder/net.0.weight".
struct NamedParameter {
  std::string name;
  at::Tensor tensor;
};

/// Parameters that share one optimizer's settings.
struct ParameterGroup {
  config::OptimizerSpec spec;
  std::vector<NamedParameter> parameters;
};

}  // namespace variform::model
