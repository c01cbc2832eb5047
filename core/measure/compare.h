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
namespace variform::plugins {
class Registry;
}

namespace variform::measure {

struct CompareOptions {
  std::string split = "test";
  std::int64_t limit = 10000;                   ///< first rows; 0: all
  const plugins::Registry* registry = nullptr;  ///< of the metrics that compare; null: none
  base::Watch watch = {};                       ///< parts "codes", counted in rows, and "pairs"
};

struct ComparedRun {
  std::string name;
  model::Session* session = nullptr;
};

/// Compares runs by their codes, the locations of q for the first run's rows. The result is an object:
///   runs (names), latents (the number of each), latent (that number, if it is the same for all), data, split, rows;
///   informative, for each run the number of latents whose KL exceeds 0.01 nats (order_of_latents in
///   model/latent_order.h: the variance of the location where q has no covariance);
///   metrics, the names of the metrics that compare, and for each a section (evaluate.h, table_of_section), such as
///   agreement, with SECTION_arrays (NAME_of_runs: one value per run, shown by table_of_runs) and SECTION_notes.
/// When options.watch stops it, `interrupted` is true and the sections have what is complete; Interrupted is thrown
/// when nothing is. Throws std::invalid_argument for fewer than two runs, and for runs whose rows have different values; the
/// names of their data do not matter.
nlohmann::json compare(const std::vector<ComparedRun>& runs, const CompareOptions& options = {});

/// A table with one row per run: informative latents, and what the metrics say of single runs.
base::Table table_of_runs(const nlohmann::json& comparison);
/// The whole as text, in lines of at most `width` characters (0: any).
std::string text_of_comparison(const nlohmann::json& comparison, std::size_t width);

}  // namespace variform::measure
