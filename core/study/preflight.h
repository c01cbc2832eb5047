#pragma once
// Checks a study before its first training, instead of after hours of it.

#include <string>
#include <vector>

#include "study/file.h"
#include "train/compose.h"

namespace variform::study {

/// Resolves every cell, and runs one of each kind for one step on two rows: cells that differ only in axes of numbers
/// (seeds, β) are of one kind. Cells that build on runs that do not exist yet are checked when their turn comes. Logs a
/// note, once each, on parameters that cells lost when an axis gave them another component. Errors name the cell
/// (config::Error).
void preflight(const StudyFile& study, const model::Workplace& place, const train::BeforeSteps& before);

/// Returns the errors in the configs of all cells, each once, with the number of cells that have it.
std::vector<std::string> wrong_configs(const StudyFile& study, const model::Workplace& place);

/// Returns the errors of tables, figures and derived metrics, tried on a rehearsal's results in `folder` (rehearse.h).
std::vector<std::string> wrong_reports(const StudyFile& study, const std::filesystem::path& folder);

}  // namespace variform::study
