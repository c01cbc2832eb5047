#pragma once
// What models are conditioned on: labels, known factors, or an array of the split's own.

#include <ATen/core/Tensor.h>

#include "config/experiment.h"
#include "data/preparation.h"

namespace variform::data {

/// Returns the condition of the trained model if these data are to have the same kind; null otherwise.
const Condition* same_kind(const Condition* trained, const config::DataSpec& spec);

/// Returns the split's own condition as [N, c].
at::Tensor checked_condition(at::Tensor condition, const Context& context, at::ScalarType type);

/// Conditions all parts on their classes. `trained` may be null, here and below.
void condition_on_labels(Splits& splits, const Condition* trained);

/// Conditions all parts on what the config says, except on labels: see condition_on_labels().
void set_condition(Splits& splits, const config::DataSpec& spec, at::ScalarType type,
                   const Condition* trained);

}  // namespace variform::data
