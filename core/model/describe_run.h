#pragma once
// Describes a run from its folder or a checkpoint alone. Neither its data nor its plugins need to be here.

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace variform::model {

/// Whether `path` is a run's folder or a checkpoint.
bool is_run(const std::filesystem::path& path);

/// Returns config, data, plugins, step, last metrics, evaluations, environment, and `problems`: what has been changed
/// or damaged. Throws Error or config::Error where a checkpoint cannot be read or was not written by a training.
nlohmann::json described(const std::filesystem::path& run);

/// The same in words, one line per item.
std::string text_of_run(const nlohmann::json& described);

}  // namespace variform::model
