// See workplace.h.

#include "model/workplace.h"

#include <algorithm>

#include "base/quote.h"
#include "checkpoint/snapshot.h"
#include "config/load.h"
#include "model/checkpoints.h"
#include "model/run_config.h"

namespace variform::model {
namespace fs = std::filesystem;
namespace {

// Finds the plugins first, since a config may itself say where they are.
Loaded loaded_from(const Workplace& place, const config::Node& root,
                   const std::vector<config::Dropped>& dropped, config::Diagnostics& diagnostics,
                   const std::string& config) {
  Loaded loaded;
  loaded.registry = place.registry(plugin_paths_in(root), config);
  loaded.experiment = resolve_experiment(root, *loaded.registry, place.places, diagnostics);
  for (const std::string& note : config::notes_of(dropped, loaded.experiment.resolved)) place.log.note(note);
  return loaded;
}

// Whether a command looks at the run's own data: the run's facts need not hold for others.
bool are_own_data(const std::vector<std::string>& overrides) {
  return std::none_of(overrides.begin(), overrides.end(),
                      [](const std::string& text) { return text.starts_with("data."); });
}

void warn_of_changes(base::Log& log, const OpenedRun& opened, const fs::path& run,
                     const OpenOptions& options) {
  const auto warn = [&](const std::string& sentence) {
    if (!sentence.empty()) log.warning(sentence);
  };
  const checkpoint::Snapshot& snapshot = opened.trained.snapshot;
  if (fs::is_directory(run)) warn(config_warning(run, snapshot, options.which));
  if (const std::string changes = changed_plugins(snapshot, *opened.registry); !changes.empty())
    warn(run.string() + ": " + changes);
  const auto facts = facts_in(snapshot.attributes);
  if (facts && are_own_data(options.overrides)) warn(changed_data(*facts, opened.session().facts));
}

}  // namespace

std::vector<plugins::ConfigPath> plugin_paths_in(const config::Node& root) {
  std::vector<plugins::ConfigPath> paths;
  for (const std::string& path : config::plugin_paths(root)) paths.push_back({path});
  const config::Node* section = root.find("plugins");
  const config::Node* named = section && section->is_table() ? section->find("paths") : nullptr;
  if (!named || !named->if_array()) return paths;
  const fs::path file = named->where().file;
  if (file.filename() != config::kResolvedConfig) return paths;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    paths[i].run = file.parent_path().empty() ? fs::path(".") : file.parent_path();
    const std::string* text = i < named->if_array()->size() ? (*named->if_array())[i].if_text() : nullptr;
    paths[i].is_relative = text && fs::path(*text).is_relative();
  }
  return paths;
}

std::vector<plugins::ConfigPath> plugin_paths_of(const fs::path& run) {
  if (!fs::is_directory(run)) return {};
  config::Diagnostics diagnostics;
  const config::Node config = config::parse_file((run / config::kResolvedConfig).string(), diagnostics);
  if (diagnostics.empty()) return plugin_paths_in(config);
  const fs::path last = run / "checkpoints" / "last.h5";  // the file is damaged; the checkpoint has a copy
  if (!fs::is_regular_file(last)) return {};
  const checkpoint::Snapshot snapshot = checkpoint::read(last);
  const auto kept = snapshot.attributes.find("config");
  if (kept == snapshot.attributes.end()) return {};
  config::Diagnostics ignored;
  return plugin_paths_in(config::parse(kept->second, (run / config::kResolvedConfig).string(), ignored));
}

FoundReaders Workplace::readers() const {
  FoundReaders found;
  found.registry = registry();
  found.readers = plugin_readers(*found.registry);
  return found;
}

data::Splits Workplace::data(const config::DataSpec& spec, const data::OtherReaders& others) const {
  return data::load(spec, places.data, places.descriptors, 1, at::kCPU, at::kFloat, nullptr, &others);
}

std::unique_ptr<plugins::Registry> Workplace::registry(const std::vector<plugins::ConfigPath>& config_paths,
                                                       const std::string& config) const {
  auto registry = std::make_unique<plugins::Registry>(plugins::search_for(plugins, config_paths));
  registry->tell_changes_to([&log = log](const std::string& text) { log.warning(text); });
  for (const std::string& warning : registry->warnings(config)) log.warning(warning);
  for (const plugins::PluginRecord* record : registry->records())
    log.debug("plugins", [&] {
      return std::string(plugins::to_string(record->status)) + ": " +
             (record->reason.empty() ? record->name() + " in " + record->path.string() : record->reason);
    });
  return registry;
}

Loaded Workplace::load(const std::vector<std::string>& files,
                       const std::vector<std::string>& overrides) const {
  config::Diagnostics diagnostics;
  std::vector<config::Dropped> dropped;
  const config::Node root = config::load(files, overrides, diagnostics, dropped);
  if (root.find("study"))
    throw config::Error(files.back() + " describes a study; run: variform study " +
                        base::for_shell(files.back()));
  return loaded_from(*this, root, dropped, diagnostics, files.empty() ? "" : files.back());
}

Loaded Workplace::load_text(const std::string& text, const std::string& name,
                            const std::vector<std::string>& overrides) const {
  config::Diagnostics diagnostics;
  std::vector<config::Dropped> dropped;
  config::Node root = config::parse(text, name, diagnostics);
  config::merge(root, config::parse_overrides(overrides, diagnostics), dropped);
  return loaded_from(*this, root, dropped, diagnostics, name);
}

OpenedRun Workplace::open(const fs::path& run, const OpenOptions& options,
                          std::shared_ptr<plugins::Registry> registry) const {
  OpenedRun opened;
  opened.checkpoint = checkpoint_of(run, options.which);
  opened.folder = fs::is_directory(run) ? run : opened.checkpoint.parent_path();
  opened.registry = registry ? std::move(registry) : this->registry(plugin_paths_of(run));
  opened.trained = open_trained(opened.checkpoint, options.overrides, *opened.registry, places, options.use);
  warn_of_changes(log, opened, run, options);
  return opened;
}

}  // namespace variform::model
