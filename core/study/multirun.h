#pragma once
// A study without a file of its own: overrides with several values are its axes (`train --multirun`). What is made of
// them is a study's file like any other, which includes the config: what is done with studies is done with it.

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/node.h"
#include "model/workplace.h"

namespace variform::study {

struct MultirunRequest {
  std::vector<std::string> files;      ///< configs, as for config::load()
  std::vector<std::string> overrides;  ///< a.b=VALUE, of all cells
  std::vector<std::string> axes;       ///< a.b=VALUES; one without several values is an override of all cells
  std::string name;                ///< of the study; empty: the config's, with a hash of axes and overrides
  std::filesystem::path defaults;  ///< a file whose [study] holds what the overrides do not say
  std::size_t most_cells = 1000;
};

/// Splits VALUES at the commas outside of brackets, braces and quotes, without the blanks around them.
std::vector<std::string> split_values(std::string_view values);

/// A study's file.
struct MultirunFile {
  config::Node own;                      ///< what stands in it, besides the configs that it includes
  config::Node root;                     ///< with the configs
  std::string text;                      ///< the file, its first line a comment with the command that made it
  std::vector<config::Dropped> dropped;  ///< of the configs, by another `type` in an override of all cells
};

/// Makes the file, with a table of one row per combination of the axes other than `seed` for each table that does not
/// name its rows. An integer axis may be a range, FIRST:LAST or FIRST:LAST:STEP. Errors of the command line and the
/// configs go to `diagnostics`. Throws config::Error if nothing varies, or if there are more than `most_cells`.
MultirunFile multirun_file(const MultirunRequest& request, config::Diagnostics& diagnostics);

struct WrittenMultirun {
  std::filesystem::path file;
  std::size_t cells = 0;
};

/// Makes the file, resolves the config of every cell, and writes it as plan.toml into the study's folder below
/// `studies`. Throws config::Error with all errors; then nothing is written.
WrittenMultirun write_multirun(const MultirunRequest& request, const model::Workplace& place,
                               const std::filesystem::path& studies);

}  // namespace variform::study
