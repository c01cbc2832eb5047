#pragma once
// What a run is, from its folder or a checkpoint alone. Neither its data nor its plugins need to be here.

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace variform::model {

/// Whether there is a run's folder or a checkpoint under that name.
bool is_run(const std::filesystem::path& path);

/// Config, data, plugins, step, last metrics, evaluations, environment, and what is not as it was written (`problems`).
/// Throws Error or config::Error where a checkpoint cannot be read or was not written by a training.
nlohmann::json described(const std::filesystem::path& run);

/// The same in words, a line per thing.
std::string text_of_run(const nlohmann::json& described);

}  // namespace variform::model
