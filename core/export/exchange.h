#pragma once
// A trained model given to others, and taken from them: a safetensors file with a card beside it that says what it is.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "model/workplace.h"

namespace variform::exports {

/// Writes FILE.safetensors (`file`, with the ending added unless it ends so) and FILE.md beside it: what the model is,
/// its data, its numbers, the command that trained it. Returns both. `revision`: of this program.
std::vector<std::filesystem::path> give(const model::OpenedRun& run, const std::filesystem::path& file,
                                        const std::string& revision);

/// Makes a run of such a file, in the folder that `folder_for` names, which must not exist. The run has one checkpoint,
/// of the model alone: it can be evaluated and drawn from, and not be trained further. Returns its folder. Throws
/// before anything is written where the file is no such model, or its plugins are not here.
std::filesystem::path take(const std::filesystem::path& file,
                           const std::function<std::filesystem::path(const config::Experiment&)>& folder_for,
                           const model::Workplace& place);

}  // namespace variform::exports
