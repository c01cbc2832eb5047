#pragma once
// The best that a linear β-VAE can do on the same data, which is known in closed form (theory §4, end): the yardstick
// of every other decoder, and the truth about a linear one.

#include <nlohmann/json_fwd.hpp>

#include "measure/evaluate.h"
#include "measure/section.h"

namespace variform::measure {

/// The section `linear` of an evaluation (table_of_section), for the rows that `result` of evaluate() is about, at its
/// β: the optimal loss L* with the likelihood's constant and without, how far loss_beta is above it, active latents k,
/// and, from the decoder's Jacobian at the mean code, how its columns lie to the principal directions. With λ the
/// eigenvalues of the data's covariance and β_eff = βσ²: σ² L* = ½ Σ_{i>k} λ_i + (β_eff/2) Σ_{i≤k} [1 + log(λ_i/β_eff)],
/// k = min(d, #{λ_i > β_eff}). Undefined, with a sentence, without a β, for likelihoods that are not Gaussian with one
/// variance, and beyond 4096 data values. Arrays [d]: `optimal_variances`, min(1, β_eff/λ_i) increasing, and, for a
/// posterior with a covariance, `learned_variances`, the eigenvalues of its mean over the data.
Section linear_reference(model::Session& session, const EvaluateOptions& options,
                         const nlohmann::json& result);

}  // namespace variform::measure
