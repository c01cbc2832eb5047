#pragma once
// Measures how far two sets of codes of the same data agree up to order, sign and scale of the latents, which no model
// determines. Mathematics on plain arrays; compare.h applies it to runs.

#include <cstddef>
#include <optional>
#include <vector>

#include "disentanglement/arrays.h"

namespace variform::metrics {

/// Pearson's correlations of the columns of a and b (the same rows), [d_a, d_b]. A constant column has correlation 0.
Numbers correlations(const Numbers& a, const Numbers& b);
/// Spearman's: Pearson's of the ranks, ties at their mean rank.
Numbers rank_correlations(const Numbers& a, const Numbers& b);
/// |w| of the lasso ½/N ‖y − Xw‖² + 0.1 ‖w‖₁ from all standardised columns of a to each of b, [d_a, d_b] (Duan et al.
/// 2020), by coordinate descent to 1e-12.
Numbers lasso_weights(const Numbers& a, const Numbers& b);

/// Returns the assignment of rows to columns with the largest sum (Hungarian algorithm, Jonker and Volgenant's form):
/// for each row its column, or nothing, since there may be more rows than columns.
std::vector<std::optional<std::size_t>> best_assignment(const Numbers& gain);

/// Mean correlation coefficient: the mean |r| of the pairs of the best assignment, [0, 1].
double mean_correlation(const Numbers& correlations);

/// Duan et al. 2020, equation 2, of a similarity |R| [d_a, d_b] between latents: for each informative latent of either
/// model (its best similarity)² / (the sum of its similarities), averaged. Latents that are not informative are
/// ignored. Nothing when one side has no informative latent.
std::optional<double> relative_strength(const Numbers& similarity, const std::vector<bool>& informative_a,
                                        const std::vector<bool>& informative_b);

/// Theory §8: the angle of the rotation that takes centred a to b best (orthogonal Procrustes) in degrees, folded by
/// signed permutations to [0, 45]; for two latents. Nothing for other dimensions and where the fit is not unique (a
/// cross-covariance whose singular values make every angle equally good).
std::optional<double> folded_angle(const Numbers& a, const Numbers& b);

}  // namespace variform::metrics
