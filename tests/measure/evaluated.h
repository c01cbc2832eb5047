#pragma once
// Evaluations with the stock metrics.

#include <nlohmann/json.hpp>

#include "measure/evaluate.h"
#include "measure/models.h"

namespace variform::measure::test {

inline nlohmann::json evaluate(model::Session& session, EvaluateOptions options = {}) {
  options.registry = &registry();
  return measure::evaluate(session, options);
}

}  // namespace variform::measure::test
