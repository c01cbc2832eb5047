#pragma once
// What stock metrics declare, and what `disentanglement` reports of given codes and factors.

#include <variform/testing.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "measure/findings.h"
#include "metrics/disentanglement/metric.h"

namespace variform::metrics {

/// The quantities that a metric of the stock plugin declares.
inline std::vector<Quantity> quantities_of(const std::string& metric) {
  return testing::make<Metric>(testing::find_component(*variform_plugin(), Kind::kMetric, metric))
      ->quantities();
}

inline nlohmann::json disentanglement_of(const Numbers& codes, const KnownFactors& factors,
                                         std::uint64_t seed, const std::string& rows) {
  measure::KeptFindings findings("disentanglement", quantities_of("disentanglement"));
  try {
    report_disentanglement(
        codes, factors, seed, rows, [](std::int64_t, std::int64_t) {}, findings);
  } catch (const Unsupported& lacks) {
    findings.undefined_rest(lacks.what());
  }
  nlohmann::json result;
  findings.add_to(result, "disentanglement");
  return result;
}

}  // namespace variform::metrics
