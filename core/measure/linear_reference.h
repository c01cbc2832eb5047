#pragma once
// The best linear β-VAE on the same data, which is known in closed form (theory §4, end): a reference for every other
// decoder, and the exact optimum of a linear one.

#include <nlohmann/json_fwd.hpp>

#include "measure/evaluate.h"
#include "measure/section.h"

namespace variform::measure {

/// Computes the section `linear` of an evaluation (table_of_section), for the rows and the β of `result`, which is
/// evaluate()'s: the optimal loss L* with the likelihood's constant and without, how far loss_beta is above it, active
/// latents k, and how the columns of the decoder's Jacobian at the mean code lie to the principal directions. With λ
/// the eigenvalues of the data's covariance and β_eff = βσ²:
/// σ² L* = ½ Σ_{i>k} λ_i + (β_eff/2) Σ_{i≤k} [1 + log(λ_i/β_eff)], k = min(d, #{λ_i > β_eff}).
/// Undefined, with a sentence, without a β, for likelihoods that are not Gaussian with one variance, and beyond 4096
/// values per example. Arrays [d]: `optimal_variances`, min(1, β_eff/λ_i) increasing, and, for a posterior with a
/// covariance, `learned_variances`, the eigenvalues of its mean over the data.
Section linear_reference(model::Session& session, const EvaluateOptions& options,
                         const nlohmann::json& result);

}  // namespace variform::measure
