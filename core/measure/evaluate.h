#pragma once
// Numbers for a trained model: all objective values of the theory on the same data, with standard errors.

#include <variform/likelihood.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/table.h"
#include "base/watch.h"

namespace variform::model {
struct Session;
}

namespace variform::measure {

struct EvaluateOptions {
  std::string split = "test";             ///< train, validation or test
  std::int64_t samples = 16;              ///< latent draws a datum for expectations under q
  std::int64_t importance_samples = 100;  ///< of is_nll; 0: leave it out
  std::int64_t batch = 256;               ///< data at a time; part of what seeds the draws
  std::int64_t limit = 0;                 ///< first rows of the split; 0: all
  std::optional<double> beta;             ///< instead of the training's final β
  Curvature curvature = Curvature::kHessian;
  std::int64_t hessian_rows =
      512;                 ///< data of taylor_full, unless the decoder is piecewise linear; 0: leave it out
  std::int64_t block = 0;  ///< size of the blocks to look for; 0: those of the family, if it has any
  std::string
      structure;  ///< of the "_optimal" values' covariance (full, diagonal, isotropic, block); empty: the family's
  std::filesystem::path dump;  ///< HDF5 file with x, draws and per-datum terms; empty: none
  base::Watch watch = {};  ///< parts: "values", counted in data; "information", "geometry", "disentanglement"
};

/// Evaluates a model. The result is an object:
///   split, data, batch (rows at a time: draws are seeded by batches, so that another size gives other draws, and an
///   objective that couples a batch's rows another `objective`; nothing else depends on it), samples,
///   importance_samples, beta, beta_eff (number or sentence), posterior, structure, kl ("closed" or "Monte Carlo"),
///   curvature, gauss_newton, constant (nats of a Gaussian likelihood, included in all values),
///   values: NAME -> { mean, se } in nats a datum (mean over data, se = sd of per-datum values / √N; ratio_R and
///   is_effective_samples and off_diagonal are plain numbers, bits_per_dimension bits), with `rows` where only the
///   first data have it, or { undefined: "sentence" },
///   grae_approx_variance: of the regularizer's estimate for one training batch: one_column_a_batch,
///   one_column_a_datum, and columns: [{ columns, a_batch, a_datum }] for 1, 2, 4 … columns
///   without replacement (§5).
/// NAMEs: nll, kl, elbo (negative ELBO), loss_beta, nll_at_mean, taylor, taylor_gap (loss_beta − taylor, with the
/// quadratic form as control variate and draws in pairs h ± δ where q is symmetric), taylor_full, taylor_full_gap and
/// gauss_newton_rest (the same with all of ∇²F; their difference), ratio_R, grae, low_rank_bound and block_bound (where
/// the family has such a structure), diagonal_bound, isotropic_bound, grae_approx, contrast and off_diagonal (§8: how far
/// H is from diagonal), is_nll, is_effective_samples, objective (the trained loss itself);
/// with "_optimal" added, the same at the Gaussian posterior N(h, Σ*) whose covariance is §4's optimum within the
/// family's own structure (of a family without covariance: that of the objective, or full): at β = 1 for elbo and is_nll,
/// at the training β for loss_beta (§5, the posterior of a GRAE model). With a prior fitted ex post that is not Gaussian,
/// Σ* is the optimum under the prior of the training.
/// Further sections, each NAME -> { value, se, what } (see table_of_section; `quartiles` over data where it is one value
/// a datum), with arrays for figures in SECTION_arrays:
///   information: active_units, active_directions, mutual_information, aggregate_kl, latent_kl; arrays variance_of_codes
///   [d], latent_kl [d], eigenvalues_of_mean_hessian [d] (of E[H]/β, falling);
///   geometry (§8; of the first data, as many as `data` says): metric_… and hessian_off_diagonal, …_within_blocks,
///   …_across_blocks, each also with _active, largest_singular_value, log_volume, condition_number,
///   straight_length, geodesic_length, geodesic_ratio; arrays metric and hessian (normalized, { mean, quartiles } of
///   [d, d]), singular_values ({ mean, quartiles } of [d], falling), contrast ({ mean, quartiles }), active [d],
///   blocks [d] (the block of each latent, from 0; of a family with blocks, or with the option);
///   covariance: variance_ratio, variance_ratio_active, kl_to_optimum; arrays variance_ratio ({ mean, quartiles } of [d]),
///   learned_variances and optimal_variances (Σ_ii and Σ*_ii of the first 64 data, [64, d]);
///   disentanglement, for data with known factors: see disentanglement/section.h; disentanglement_notes: what was done to
///   factors that are no classes.
///   one_class, a sentence: options.limit leaves rows of one class of several, since the data set is sorted.
/// When options.watch stops it, `interrupted` { data, of, missing } says of how many data the values are (the first
/// of the split) and which sections are missing; then there is no dump. `dump_problem`: why there is none although it
/// was asked for. Throws Interrupted when nothing is complete. Deterministic. Throws std::runtime_error for a split
/// without data.
nlohmann::json evaluate(model::Session& session, const EvaluateOptions& options = {});

/// What a reader must know before the numbers, and a line after them: data, β and β_eff (§2), posterior, curvature; the
/// noise of GRAE≈. Lines with their ends, or nothing.
std::string head_of(const nlohmann::json& result);
std::string foot_of(const nlohmann::json& result);

/// The values for a person: one row each.
base::Table table_of(const nlohmann::json& result);

/// A section of a result for a person. A section is an object NAME -> { value, se, what } or { undefined, what }: a
/// number, its standard error (or null), what it is with its unit and protocol; or the sentence that says why there is
/// none. Where it is a mean over data, `quartiles` may be there as well.
base::Table table_of_section(const nlohmann::json& section);

}  // namespace variform::measure
