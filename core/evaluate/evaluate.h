#pragma once
// Numbers for a trained model: all objective values of the theory on the same data, with standard errors.

#include <variform/likelihood.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "report/table.h"

namespace variform::train {
struct Session;
}

namespace variform::evaluate {

struct EvaluateOptions {
  std::string split = "test";             ///< train, validation or test
  std::int64_t samples = 16;              ///< latent draws a datum for expectations under q
  std::int64_t importance_samples = 100;  ///< of is_nll; 0: leave it out
  std::int64_t batch = 256;               ///< data at a time; part of what seeds the draws
  std::int64_t limit = 0;                 ///< first rows of the split; 0: all
  std::optional<double> beta;             ///< instead of the training's final β
  Curvature curvature = Curvature::kHessian;
  std::filesystem::path dump;  ///< HDF5 file with x, draws and per-datum terms; empty: none
};

/// Evaluates a model. The result is an object:
///   split, data, samples, importance_samples, beta, beta_eff (number or sentence), posterior, structure, kl ("closed"
///   or "Monte Carlo"), curvature, gauss_newton, constant (nats of a Gaussian likelihood, included in all values),
///   values: NAME -> { mean, se } in nats a datum (mean over data, se = sd of per-datum values / √N; ratio_R and
///   is_effective_samples and off_diagonal are plain numbers, bits_per_dimension bits), or { undefined: "sentence" },
///   grae_approx_variance: of the regularizer's estimate for one training batch, per choice of columns.
/// NAMEs: nll, kl, elbo (negative ELBO), loss_beta, nll_at_mean, taylor, taylor_gap (loss_beta − taylor with the
/// quadratic form as control variate), ratio_R, grae, diagonal_bound, isotropic_bound, grae_approx, contrast and
/// off_diagonal (§8: how far H is from diagonal), is_nll, is_effective_samples, objective (the trained loss itself);
/// with "_optimal" added, the same at the Gaussian posterior N(h, Σ*) whose covariance is §4's optimum within the
/// family's own structure: at β = 1 for elbo and is_nll, at the training β for loss_beta (§5, the posterior of a GRAE
/// model).
/// Deterministic. Throws std::runtime_error for a split without data.
nlohmann::json evaluate(train::Session& session, const EvaluateOptions& options = {});

/// The result for a person: one row a value, sentences at the end.
report::Table table_of(const nlohmann::json& result);

/// A section of a result for a person. A section is an object NAME -> { value, se, what } or { undefined, what }: a
/// number, its standard error (or null), what it is with its unit and protocol; or the sentence that says why there is
/// none.
report::Table table_of_section(const nlohmann::json& section);

}  // namespace variform::evaluate
