#pragma once
// Writes a data set whose missing values are replaced by what a trained model expects there.

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/watch.h"

namespace variform::model {
struct Session;
}

namespace variform::exports {

struct ImputeOptions {
  std::string split = "test";
  std::int64_t draws = 100;  ///< of the posterior for each row
  base::Watch watch = {};    ///< part "imputed values", counted in rows
};

/// Writes, as HDF5: x [N, data…], observed values as they are and E[x|observed] elsewhere; sd [N, data…], the standard
/// deviation of E[x|z] over draws of z, 0 where a value was observed; mask [N, data…], 1 where it was; effective [N], the effective
/// number of draws, (Σw)²/Σw²; index [N]. In the
/// data set's own units, bytes from 0 to 1. E[x|observed] is Σ_k w_k E[x|z_k] with draws z_k of q(z|x) and importance
/// weights w_k ∝ p(observed|z_k) p(z_k)/q(z_k|x), so that it tends to the model's own expectation, whatever q is (Mattei
/// and Frellsen, MIWAE, ICML 2019, equation 12); equal weights where q has no density. Returns the mean effective number
/// of draws. Throws when the split lacks no values, when the file cannot be written (checked first), and when
/// it is interrupted (nothing is written then).
double impute(model::Session& session, const std::filesystem::path& file, const ImputeOptions& options = {});

}  // namespace variform::exports
