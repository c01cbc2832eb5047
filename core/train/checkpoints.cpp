// See checkpoints.h.

#include "train/checkpoints.h"

#include <variform/manifest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "checkpoint/sha256.h"
#include "config/load.h"

namespace variform::train {
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
  config::Experiment experiment = config::resolve(root, registry, diagnostics);
  diagnostics.throw_if_any();
  return experiment;
}

Shape shape_of(const checkpoint::Snapshot& snapshot) {
  return json::parse(attribute(snapshot, "data_shape")).get<Shape>();
}

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

std::string changes_since(const json& recorded, const plugins::Registry& registry, const char* since) {
  std::map<std::string, json> now;
  for (const json& plugin : json::parse(plugins_json(registry))) now[plugin.at("id")] = plugin;
  std::string changes;
  for (const json& before : recorded) {
    const auto found = now.find(before.at("id"));
    if (found == now.end() || found->second.at("sha256") == before.at("sha256")) continue;
    changes += (changes.empty() ? "" : "; ") + before.at("id").get<std::string>() + " was " +
               before.at("version").get<std::string>() + " (" +
               before.at("sha256").get<std::string>().substr(0, 12) + "), now " +
               found->second.at("version").get<std::string>() + " (" +
               found->second.at("sha256").get<std::string>().substr(0, 12) + ")";
  }
  return changes.empty() ? "" : "plugins have changed since " + std::string(since) + ": " + changes + ".";
}

}  // namespace

std::string changed_plugins(const checkpoint::Snapshot& snapshot, const plugins::Registry& registry) {
  return changes_since(json::parse(attribute(snapshot, "plugins")), registry, "the checkpoint was written");
}

std::string changed_plugins(const fs::path& run, const plugins::Registry& registry) {
  std::ifstream file(run / "environment.json");
  const json environment = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!environment.is_object() || !environment.contains("plugins")) return {};
  try {
    return changes_since(environment.at("plugins"), registry, "it was trained");
  } catch (const json::exception&) {  // of another form: it says nothing
    return {};
  }
}

}  // namespace variform::train
