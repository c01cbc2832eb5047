#pragma once
// Computes the section `disentanglement` of an evaluation: the metrics of this folder on a model's codes, with the
// protocol of Locatello et al. 2019 (Challenging Common Assumptions in the Unsupervised Learning of Disentangled
// Representations).

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/watch.h"
#include "measure/disentanglement/factors.h"

namespace variform::model {
struct Session;
}

namespace variform::measure {

/// Returns result["disentanglement"] = { NAME -> value, se, what }, result["disentanglement_arrays"] with the matrices
/// behind them ([d][F] each), and result["disentanglement_notes"] if factors that are not classes had to be treated
/// (factors.h). Factors with a single value are left out, as `what` says. `rows` names the codes' origin in `what`
/// ("test"). All values are undefined where no latent varies by more than rounding, and the score of FactorVAE where
/// none has the variance that it asks for. Up to 10,000 points train and 5,000 test, drawn without replacement by the
/// seed; of fewer than 15,000 rows two thirds and one third.
nlohmann::json disentanglement(const Numbers& codes, const KnownFactors& factors, std::uint64_t seed,
                               const std::string& rows, const base::Watch& watch = {});

/// The same for the location of q for a split's rows (its first `limit` rows unless 0; 60,000 drawn by the seed when
/// there are more). Values are undefined, with the reason, for data without factors.
nlohmann::json disentanglement(model::Session& session, const std::string& split, std::int64_t limit = 0,
                               const base::Watch& watch = {});

}  // namespace variform::measure
