#pragma once
// Evaluates a trained model: the numbers of all metrics on the same data, with standard errors.

#include <variform/likelihood.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/table.h"
#include "base/watch.h"
#include "config/experiment.h"
#include "model/feature_network.h"

namespace variform::model {
struct Session;
}
namespace variform::plugins {
class Registry;
}

namespace variform::measure {

/// Returns the network, trained on first need (train/features.h); throws Unsupported when there can be none.
using FeatureNetworkOf = std::function<model::FeatureNetwork()>;

struct EvaluateOptions {
  std::string split = "test";             ///< train, validation or test
  std::int64_t samples = 16;              ///< latent draws per example for expectations under q
  std::int64_t importance_samples = 100;  ///< of is_nll; 0: leave it out
  std::int64_t batch = 256;               ///< rows at a time; part of what seeds the draws
  std::int64_t limit = 0;                 ///< first rows of the split; 0: all
  std::optional<double> beta = {};        ///< instead of the training's final β
  Curvature curvature = Curvature::kHessian;
  std::int64_t hessian_rows =
      512;                 ///< rows of taylor_full, unless the decoder is piecewise linear; 0: leave it out
  std::int64_t block = 0;  ///< size of the blocks to look for; 0: those of the family, if it has any
  std::string structure =
      {};  ///< of the "_optimal" values' covariance (full, diagonal, isotropic, block); empty: the family's
  std::filesystem::path dump = {};  ///< HDF5 file with x, draws and per-example terms; empty: none
  const plugins::Registry* registry = nullptr;  ///< where metrics come from; null: no metrics
  std::vector<config::ComponentSpec> metrics =
      {};  ///< those that are asked for, with their parameters, beside those that need not be
  std::map<std::string, std::string> asked =
      {};  ///< options that ask for metrics on request ("gradient-draws"), with their values; see Metric::shorthand
  FeatureNetworkOf network = {};  ///< for metrics that compare images in features; empty: there is none
  base::Watch watch = {};         ///< parts: "values", counted in rows, and each metric by its name
};

/// Evaluates a model. The result is an object:
///   split, data (the number of rows), batch (rows at a time: draws are seeded by batches, so that another size gives
///   other draws, and another `objective` if that couples a batch's rows; nothing else depends on it), samples,
///   importance_samples, beta, beta_eff (number or sentence), posterior, structure, kl ("closed" or "Monte Carlo"),
///   curvature, gauss_newton, constant (nats of a Gaussian likelihood, included in all values).
/// Its numbers come from metrics (variform/metric.h; `variform describe metric:NAME` says what a stock one reports):
///   values: QUANTITY -> { mean, se, unit, what }, mostly in nats per example (mean over rows, se = sd of their values
///   / √N), with `rows` where only the first rows have it, or { undefined: "sentence" }: of the metrics whose quantities
///   stand there (Metric::in_values). values_order has their names in the order of the table.
///   Each other metric adds a section under its name: QUANTITY -> { value, se, unit, what } (see table_of_section;
///   `quartiles` over rows where there is one value per example), and `metrics` has their names.
///   Arrays for figures are in SECTION_arrays, and sentences in SECTION_notes.
/// Further: one_class, a sentence: options.limit leaves rows of one class of several, since the data set is sorted;
///   warnings, sentences: metrics that could not be had, or that failed; and what metrics keep beside (Findings::object).
/// When options.watch stops it, `interrupted` { data, of, missing } says how many rows the values are of (the first
/// of the split) and which sections are missing; then there is no dump. `dump_problem` says why a dump failed. Throws
/// Interrupted when nothing is complete, std::runtime_error for a split without data. Deterministic.
nlohmann::json evaluate(model::Session& session, const EvaluateOptions& options = {});

/// The sections of options.metrics, `metrics`, `warnings` and `interrupted`, and nothing else: fast on many rows.
nlohmann::json evaluate_metrics(model::Session& session, const EvaluateOptions& options);

/// Returns the lines before the table of values: data, β and β_eff (§2), posterior, curvature. Every line ends with a
/// newline.
std::string head_of(const nlohmann::json& result);

/// The table of values: one row per value that is defined.
base::Table table_of(const nlohmann::json& result);

/// The table of a result's section, of the values that are defined. A section is an object NAME -> { value, se, unit,
/// what } or { undefined, what }: a number, its standard error (or null), its unit, what it is with its protocol; or
/// the sentence that says why there is no number. A mean over rows may have `quartiles` as well.
base::Table table_of_section(const nlohmann::json& section);

/// A section (or `values`) of a result as text: its table, the values that are not defined by their reasons, and its
/// notes. `width`: of lines; 0: any.
std::string text_of_section(const nlohmann::json& result, const std::string& name, std::size_t width);

/// The whole result as text, in lines of at most `width` characters (0: any).
std::string text_of(const nlohmann::json& result, std::size_t width);

}  // namespace variform::measure
