#pragma once
// What is found out about a study before its first training, instead of after hours of it.

#include <string>
#include <vector>

#include "study/file.h"
#include "train/compose.h"

namespace variform::study {

/// Resolves every cell, and runs one of each kind for one step on two rows: cells that differ only in axes of numbers (seeds,
/// β) are of one kind. What builds on runs that are not there yet is judged in its turn. What cells lost when an axis gave
/// them another component is a note, once each. Throws config::Error with the cell named.
void preflight(const StudyFile& study, const model::Workplace& place, const train::BeforeSteps& before);

/// What is wrong with the configs of all cells, each sentence once, with how many cells have it.
std::vector<std::string> wrong_configs(const StudyFile& study, const model::Workplace& place);

/// What is wrong with the tables, figures and derived metrics, tried on the results of a rehearsal in `folder`
/// (rehearse.h).
std::vector<std::string> wrong_reports(const StudyFile& study, const std::filesystem::path& folder);

}  // namespace variform::study
