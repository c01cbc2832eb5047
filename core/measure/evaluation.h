#pragma once
// Collects everything that `evaluate` puts into one result: the values, and the sections that were asked for besides.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "measure/evaluate.h"
#include "measure/quality.h"

namespace variform::measure {

struct EvaluationRequest {
  EvaluateOptions evaluate = {};
  bool only_metrics = false;        ///< the sections of evaluate.metrics and nothing else
  std::int64_t quality_images = 0;  ///< also sample quality from as many images; 0: no
  FeatureNetworkOf network = {};    ///< for sample quality
};

/// Returns the result of evaluate() with the other sections added, or the sections of the metrics alone. When
/// `evaluate.watch` stops it, the result has what is complete and `interrupted`; base::Interrupted is thrown when nothing is.
nlohmann::json evaluation(model::Session& session, const EvaluationRequest& request);

/// Returns the result as text, in lines of at most `width` characters (0: any).
std::string text_of(const nlohmann::json& result, std::size_t width);

}  // namespace variform::measure
