#pragma once
// Several runs on the same data: how far their latents agree with each other, and with the truth where it is known.

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

/// Codes are the locations of q for the first run's rows. The result is an object: runs (names), latents (how many
/// each has), latent (that number, where it is one), data, split, rows, unmatched where these differ ({ run, other,
/// latents } for each pair: the latents of the wider run that the best matching, which is then one of a rectangle,
/// leaves without a partner, counted from 0), agreement: a section (evaluate.h) of means over pairs or runs, their
/// errors by a jackknife over the runs (from three runs on): mcc and mcc_spearman (mean |correlation| after optimal
/// matching), udr and udr_lasso (Duan et al. 2020), angle (theory §8, d = 2), and against the data's true latents
/// mcc_truth, mcc_truth_spearman, angle_truth; and agreement_arrays: the same for every pair [R][R] (the diagonal
/// null) and run [R], and informative, the number of latents whose KL exceeds 0.01 nats (order_of_latents in
/// model/latent_order.h: the variance of the location where q has no covariance).
/// When options.watch stops it, `interrupted` is true and agreement has what is complete; Interrupted is thrown when
/// nothing is. Throws std::invalid_argument for less than two runs, and for runs whose rows have other values: what their data are
/// called does not matter.
nlohmann::json compare(const std::vector<ComparedRun>& runs, const CompareOptions& options = {});

/// A line for each pair with unmatched latents; empty: none.
std::string notes_of(const nlohmann::json& comparison);

/// For a person, a row a run: informative latents, udr, mean mcc with the others; mcc and angle with the truth, if known.
base::Table table_of_runs(const nlohmann::json& comparison);

}  // namespace variform::measure
