#pragma once
// Writes and reads the attributes of checkpoints, and finds the checkpoint that a path on the command line or in
// `from = "…"` names.

#include <filesystem>
#include <map>
#include <string>

#include "checkpoint/snapshot.h"
#include "config/experiment.h"
#include "model/assembly.h"
#include "plugins/registry.h"

namespace variform::model {

/// Attribute of a checkpoint that holds the model alone: no training can be resumed from it.
constexpr const char* kModelOnly = "model_only";

/// Returns the checkpoint that a path names: the file itself, or checkpoints/<which>.h5 of a run folder.
/// Throws std::runtime_error when it does not exist.
std::filesystem::path checkpoint_of(const std::filesystem::path& run_or_file,
                                    const std::string& which = "last");

/// The attributes of a run's checkpoints: config, shape of an example, data set's name and domain, plugins.
std::map<std::string, std::string> attributes_of(const config::Experiment& experiment, const Shape& data,
                                                 const std::string& domain, const std::string& plugins);

/// The experiment in a checkpoint's attributes, resolved against the plugins at hand.
config::Experiment experiment_of(const checkpoint::Snapshot& snapshot, const plugins::Registry& registry);
/// The shape in a checkpoint's attribute data_shape. Throws base::JsonError.
Shape shape_in(const std::string& text);
/// The shape of one example.
Shape shape_of(const checkpoint::Snapshot& snapshot);

/// Id, version, path and SHA-256 of the plugins that have been used so far, as a JSON array.
std::string plugins_json(const plugins::Registry& registry);
/// The same in short, for results: id and SHA-256.
std::map<std::string, std::string> plugin_digests(const plugins::Registry& registry);
/// Returns a sentence that names every plugin that differs from those a checkpoint was written with, or nothing.
std::string changed_plugins(const checkpoint::Snapshot& snapshot, const plugins::Registry& registry);
/// The same for a run's folder, from its environment.json alone; empty where that does not record plugins.
std::string changed_plugins(const std::filesystem::path& run, const plugins::Registry& registry);

}  // namespace variform::model
