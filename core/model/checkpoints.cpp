// See checkpoints.h.

#include "model/checkpoints.h"

#include <variform/manifest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/json_file.h"
#include "base/sha256.h"
#include "config/load.h"
#include "config/run_environment.h"

namespace variform::model {
namespace fs = std::filesystem;
using nlohmann::json;

fs::path checkpoint_of(const fs::path& run_or_file, const std::string& which) {
  if (fs::is_regular_file(run_or_file)) return run_or_file;
  const fs::path file = run_or_file / "checkpoints" / (which + ".h5");
  if (fs::is_regular_file(file)) return file;
  if (fs::is_directory(run_or_file))
    throw std::runtime_error("the run " + run_or_file.string() + " has no checkpoint " + which + ".h5 yet.");
  throw std::runtime_error("there is no run or checkpoint " + run_or_file.string() +
                           "; `variform runs list` shows what there is.");
}

std::map<std::string, std::string> attributes_of(const config::Experiment& experiment, const Shape& data,
                                                 const std::string& domain, const std::string& plugins) {
  return {{"config", config::print(experiment.resolved)},
          {"config_hash", config::experiment_hash(experiment)},
          {"data_shape", json(data).dump()},
          {"data_domain", domain},
          {"plugins", plugins},
          {"libtorch", std::string(kLibTorchVersion)}};
}

namespace {
const std::string& attribute(const checkpoint::Snapshot& snapshot, const char* name) {
  const auto found = snapshot.attributes.find(name);
  if (found == snapshot.attributes.end())
    throw std::runtime_error(std::string("the checkpoint has no attribute '") + name +
                             "'; it was not written by a training.");
  return found->second;
}
}  // namespace

config::Experiment experiment_of(const checkpoint::Snapshot& snapshot, const plugins::Registry& registry) {
  config::Diagnostics diagnostics;
  const config::Node root =
      config::parse(attribute(snapshot, "config"), "config in the checkpoint", diagnostics);
  // Not resolve_experiment(): callers take a model's parts, so that the data that it was trained on need not be
  // described here; and a training wrote the parts of components that it took from other runs into this config.
  config::Experiment experiment = config::resolve(root, registry, diagnostics);
  diagnostics.throw_if_any();
  return experiment;
}

Shape shape_in(const std::string& text) {
  const base::JsonFile file(text, "the checkpoint's attribute data_shape");
  Shape shape;
  for (const base::JsonValue& side : file.root().elements()) shape.push_back(side.integer(0));
  return shape;
}

Shape shape_of(const checkpoint::Snapshot& snapshot) { return shape_in(attribute(snapshot, "data_shape")); }

std::string plugins_json(const plugins::Registry& registry) {
  json list = json::array();
  for (const plugins::PluginRecord* plugin : registry.records())
    if (plugin->status == plugins::Status::kLoaded)
      list.push_back({{"id", plugin->id},
                      {"version", plugin->version},
                      {"path", plugin->path.string()},
                      {"sha256", plugin->sha256}});
  return list.dump();
}

std::map<std::string, std::string> plugin_digests(const plugins::Registry& registry) {
  std::map<std::string, std::string> digests;
  for (const plugins::PluginRecord* plugin : registry.records())
    if (plugin->status == plugins::Status::kLoaded) digests[plugin->id] = plugin->sha256;
  return digests;
}

namespace {

using Recorded = std::vector<config::RunEnvironment::Plugin>;

std::string changes_since(const Recorded& recorded, const plugins::Registry& registry, const char* since) {
  std::map<std::string, const plugins::PluginRecord*> now;
  for (const plugins::PluginRecord* plugin : registry.records())
    if (plugin->status == plugins::Status::kLoaded) now[plugin->id] = plugin;
  const auto named = [](const std::string& version, const std::string& sha256) {
    return sha256.empty() ? version : version + " (" + sha256.substr(0, 12) + ")";
  };
  std::string changes;
  for (const config::RunEnvironment::Plugin& before : recorded) {
    const auto found = now.find(before.id);
    if (found == now.end()) continue;
    const plugins::PluginRecord& here = *found->second;
    if (here.sha256 == before.sha256 && (!here.sha256.empty() || here.version == before.version)) continue;
    changes += (changes.empty() ? "" : "; ") + before.id + " was " + named(before.version, before.sha256) +
               ", now " + named(here.version, here.sha256);
  }
  return changes.empty() ? "" : "plugins have changed since " + std::string(since) + ": " + changes + ".";
}

}  // namespace

std::string changed_plugins(const checkpoint::Snapshot& snapshot, const plugins::Registry& registry) {
  const base::JsonFile file(attribute(snapshot, "plugins"), "the checkpoint's attribute plugins");
  Recorded recorded;
  for (const base::JsonValue& entry : file.root().elements())
    recorded.push_back({entry.at("id").text(), entry.at("version").text(), entry.at("sha256").text()});
  return changes_since(recorded, registry, "the checkpoint was written");
}

std::string changed_plugins(const fs::path& run, const plugins::Registry& registry) {
  const config::RunEnvironment environment = config::environment_of(run);
  return environment.plugins ? changes_since(*environment.plugins, registry, "it was trained") : "";
}

}  // namespace variform::model
