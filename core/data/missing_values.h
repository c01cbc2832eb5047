#pragma once
// Values that a data set lacks: which they are, and what is said about them.

#include <ATen/core/Tensor.h>

#include "config/experiment.h"
#include "data/preparation.h"

namespace variform::data {

/// Has tables read with the values that they lack, where the config admits it.
void keep_missing(Descriptor& descriptor, const config::DataSpec& spec);

/// Returns which values were observed, and puts 0 for the others; undefined when all were. `mask`: the split's own.
at::Tensor take_missing(at::Tensor& x, at::Tensor mask, const Context& context);

/// Says how much is missing in each part.
void note_missing(Splits& splits);

}  // namespace variform::data
