#pragma once
// The scores of this folder for given codes and factors, as the metric `disentanglement` reports them.

#include <variform/metric.h>

#include <cstdint>
#include <functional>
#include <string>

#include "../progress.h"
#include "arrays.h"
#include "factors.h"

namespace variform::metrics {

/// Reports all scores, the matrices behind them ([d, F] each) and notes on factors that are not classes. Factors with a
/// single value are left out, as the details say. Up to 10,000 points train and 5,000 test, drawn without replacement by
/// the seed; of fewer than 15,000 rows two thirds and one third. `rows` names the codes' origin ("test"). Throws
/// Unsupported where no score is defined.
void report_disentanglement(const Numbers& codes, const KnownFactors& factors, std::uint64_t seed,
                            const std::string& rows, const Progress& progress, Findings& findings);

}  // namespace variform::metrics
