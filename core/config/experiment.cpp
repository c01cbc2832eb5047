// Reads the whole experiment: the root table, the slots, plugin paths; and computes the identity of a run.

#include "config/experiment.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/name.h"
#include "base/sha256.h"
#include "config/load.h"
#include "config/sections.h"
#include "config/text.h"

namespace variform::config {
namespace {

constexpr std::array kModelSlots{Kind::kEncoder, Kind::kDecoder, Kind::kFamily, Kind::kPrior,
                                 Kind::kLikelihood};

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.';
}

}  // namespace

std::string default_name(const Node& root) {
  std::string name;
  if (!root.where().is_default() && !root.where().is_command_line())
    for (const char c : std::filesystem::path(root.where().file).stem().string())
      name += is_name_character(c) ? c : '-';
  while (name.starts_with('.') || name.starts_with('-')) name.erase(0, 1);
  for (std::size_t at; (at = name.find("..")) != std::string::npos;) name.erase(at, 1);
  return name.empty() ? "run" : name.substr(0, 80);
}

namespace {

std::string read_name(Reader& reader) {
  const std::string name = reader.text("name", {.fallback = default_name(reader.source())});
  const std::string problem = base::name_problem(name);
  const bool has_others = !std::all_of(name.begin(), name.end(), is_name_character) || name.size() > 80;
  const Node* given = reader.source().find("name");
  if ((has_others || !problem.empty()) && given && given->if_text())
    reader.error(
        "name",
        "@ must be letters, digits, \"-\", \"_\" and \".\" (80 at most), since it names a folder, found " +
            quote(shorten(name)) + (has_others || name.empty() ? "" : ": " + problem) + ".");
  return name;
}

void read_slots(Reader& root, Experiment& experiment, const Catalog& catalog) {
  const auto keep = [&](std::optional<ComponentSpec> spec, Kind kind) {
    if (spec) experiment.slots.insert_or_assign(kind, std::move(*spec));
  };
  const Node* given = root.source().find("model");
  Reader model = root.table("model", given && !given->is_table());
  if (!given || given->is_table()) {
    experiment.latent = model.integer("latent", {.fallback = {}, .low = 1, .high = 1000000});
    for (const Kind kind : kModelSlots)
      keep(read_component(model, variform::to_string(kind), kind, Place::kSlot, catalog, true), kind);
    model.finish();
    root.put("model", model.resolved());
  }
  keep(read_component(root, "objective", Kind::kObjective, Place::kSlot, catalog, true), Kind::kObjective);
}

/// Reads paths relative to the file that names them (to the current folder on the command line) and keeps them
/// absolute, so that a run's own copy of the config finds them too.
std::vector<std::string> read_plugin_paths(Reader& root) {
  namespace fs = std::filesystem;
  Reader reader = root.table("plugins");
  std::vector<std::string> paths = reader.texts("paths", {.fallback = std::vector<std::string>{}});
  const Position where = reader.where("paths");
  const fs::path base =
      where.is_command_line() || where.is_default() ? fs::path() : fs::path(where.file).parent_path();
  Node::Array resolved;
  for (std::string& path : paths) {
    std::error_code failed;
    const fs::path absolute = fs::absolute(base / path, failed);
    if (!failed) path = absolute.lexically_normal().string();
    resolved.emplace_back(path, where);
  }
  reader.finish();
  if (!paths.empty()) {
    reader.put("paths", Node(std::move(resolved)), where);
    root.put("plugins", reader.resolved());
  }
  return paths;
}

std::vector<std::string> keys_of(const Node& table) {
  std::vector<std::string> keys;
  for (const Node::Member& member : table.members()) keys.push_back(member.key);
  return keys;
}

/// Replaces each path of a run by the run's name, and by the file if it is one of its checkpoints.
void keep_name(Node* table) {
  if (!table || !table->is_table()) return;
  for (const std::string& key : keys_of(*table)) keep_name(table->find(key));
  const Node* from = table->find("from");
  if (!from || !from->if_text()) return;
  const std::filesystem::path path =
      std::filesystem::path(*from->if_text() + "/").lexically_normal().parent_path();
  const bool is_file = path.extension() == ".h5";
  const std::filesystem::path run = is_file ? path.parent_path().parent_path() : path;
  table->set("from",
             Node(run.filename().string() + (is_file ? "/" + path.filename().string() : ""), from->where()));
}

/// Removes the places of data and of other runs, which are not part of an experiment's identity.
void forget_places(Node& identity) {
  keep_name(identity.find("objective"));
  Node* model = identity.find("model");
  for (const Kind kind : kModelSlots) keep_name(model ? model->find(variform::to_string(kind)) : nullptr);
  Node* data = identity.find("data");
  Node* dataset = data ? data->find("dataset") : nullptr;
  if (!dataset) return;
  keep_name(dataset);
  if (dataset->is_table()) dataset->erase("folder");
  else if (const std::string* text = dataset->if_text())
    data->set("dataset", Node(std::filesystem::path(*text).filename().string(), dataset->where()));
}

// [log], which is in the resolved config only where it is written.
void read_log(Reader& root, Experiment& experiment) {
  if (!root.has("log")) return;
  Reader log = root.table("log");
  experiment.tensorboard = log.flag("tensorboard", {.fallback = false});
  log.finish();
  root.put("log", log.resolved());
}

}  // namespace

std::vector<std::string> plugin_paths(const Node& root) {
  Diagnostics ignored;  // resolve() reports the same mistakes
  Reader reader(root, ignored, "");
  return read_plugin_paths(reader);
}

Experiment resolve(const Node& root, const Catalog& catalog, Diagnostics& diagnostics,
                   const CheckDataset& check_dataset) {
  Experiment experiment;
  if (diagnostics.incomplete()) return experiment;
  refuse_tildes(root, diagnostics);
  Reader reader(root, diagnostics, "");
  experiment.name = read_name(reader);
  experiment.seed = static_cast<std::uint64_t>(reader.integer("seed", {.fallback = 1, .low = 0}));
  experiment.data = read_data(reader, catalog, check_dataset);
  read_slots(reader, experiment, catalog);
  experiment.train = read_train(reader, experiment.data.model && experiment.data.model->fresh);
  read_log(reader, experiment);
  experiment.plugin_paths = read_plugin_paths(reader);
  reader.finish("the config");
  experiment.resolved = reader.resolved();
  return experiment;
}

std::string identity_text(const Node& resolved) {
  Node identity = resolved;
  for (const char* key : {"name", "seed", "plugins", "log"}) identity.erase(key);
  if (Node* train = identity.find("train"))
    for (const char* key : {"device", "threads"}) train->erase(key);
  if (Node* data = identity.find("data")) data->erase("stream");  // the numbers are the same
  forget_places(identity);
  return print(identity);
}

std::string experiment_hash(const Experiment& experiment) {
  return base::sha256(identity_text(experiment.resolved)).substr(0, 16);
}

std::string former_experiment_hash(const Experiment& experiment) {
  return short_hash(identity_text(experiment.resolved));
}

}  // namespace variform::config
