#pragma once
// Compares several runs on the same data: how far their latents agree with each other, and with the truth where it is
// known.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/table.h"
#include "base/watch.h"

namespace variform::model {
struct Session;
}

namespace variform::measure {

struct CompareOptions {
  std::string split = "test";
  std::int64_t limit = 10000;  ///< first rows; 0: all
  base::Watch watch = {};      ///< parts "codes", counted in rows, and "pairs"
};

struct ComparedRun {
  std::string name;
  model::Session* session = nullptr;
};

/// Compares runs by their codes, the locations of q for the first run's rows. The result is an object:
///   runs (names), latents (the number of each), latent (that number, if it is the same for all), data, split, rows;
///   unmatched, if the numbers of latents differ: { run, other, latents } for each such pair, the latents of the wider
///   run that the best matching leaves without a partner, counted from 0;
///   agreement, a section (evaluate.h) of means over pairs or runs, with errors by a jackknife over the runs (from
///   three runs on): mcc and mcc_spearman (mean |correlation| after optimal matching), udr and udr_lasso (Duan et al.
///   2020), angle (theory §8, d = 2), and against the data's true latents mcc_truth, mcc_truth_spearman, angle_truth;
///   agreement_arrays: the same for every pair [R][R] (the diagonal null) and run [R], and informative, the number of
///   latents whose KL exceeds 0.01 nats (order_of_latents in model/latent_order.h: the variance of the location where q
///   has no covariance).
/// When options.watch stops it, `interrupted` is true and agreement has what is complete; Interrupted is thrown when
/// nothing is. Throws std::invalid_argument for fewer than two runs, and for runs whose rows have different values; the
/// names of their data do not matter.
nlohmann::json compare(const std::vector<ComparedRun>& runs, const CompareOptions& options = {});

/// Returns one line per pair with unmatched latents.
std::string notes_of(const nlohmann::json& comparison);

/// A table with one row per run: informative latents, udr, mean mcc with the others; mcc and angle with the truth, if
/// known.
base::Table table_of_runs(const nlohmann::json& comparison);

}  // namespace variform::measure
