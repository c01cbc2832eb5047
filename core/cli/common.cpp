// What the commands share: places, arguments, standard output.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "base/file.h"
#include "base/frames.h"
#include "base/quote.h"
#include "checkpoint/snapshot.h"
#include "cli/commands.h"
#include "config/load.h"
#include "config/text.h"
#include "data/files.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

// The folders that hold configs/, datasets/ and template/: share/variform of an installation or of a build folder (links
// there), and the checkout.
std::vector<fs::path> homes() {
  std::vector<fs::path> homes;
  if (const char* home = std::getenv("VARIFORM_HOME"); home && *home) homes.emplace_back(home);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    homes.push_back(program.parent_path() / "../../share/variform");  // <prefix>/libexec/variform/variform
    homes.push_back(program.parent_path() / "share/variform");        // <build>/variform
    homes.push_back(program.parent_path() / "../..");                 // <checkout>/build/<preset>/variform
  }
  return homes;
}

// Whether something has that name; what is too long for a name has none.
bool is_file_name(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

}  // namespace

fs::path shared_folder(const std::string& name) {
  for (const fs::path& home : homes())
    if (fs::is_directory(home / name)) return fs::weakly_canonical(home / name);
  return {};
}

model::Places Common::places() const {
  model::Places places;
  places.memory = memory;
  places.data = data::data_folders(data);
  for (const fs::path& home : homes()) {
    if (!fs::is_directory(home / "datasets")) continue;
    const fs::path folder = fs::weakly_canonical(home / "datasets");
    if (std::find(places.descriptors.begin(), places.descriptors.end(), folder) == places.descriptors.end())
      places.descriptors.push_back(folder);
  }
  return places;
}

std::unique_ptr<plugins::Registry> Common::registry(const std::vector<plugins::ConfigPath>& config_paths,
                                                    const std::string& config) const {
  auto registry = std::make_unique<plugins::Registry>(plugins::search_for(plugins, config_paths));
  registry->tell_changes_to([](const std::string& text) { write_message("warning: " + text); });
  for (const std::string& warning : registry->warnings(config)) write_message("warning: " + warning);
  return registry;
}

ConfigArguments split_arguments(const std::vector<std::string>& arguments) {
  ConfigArguments split;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals != std::string::npos && !is_file_name(argument)) {
      split.overrides.push_back(argument);
      continue;
    }
    fs::path file = argument;
    for (const fs::path& home : homes())
      if (!is_file_name(file) && file.is_relative() && is_file_name(home / argument))
        file = fs::weakly_canonical(home / argument);
    split.files.push_back(file.string());
  }
  return split;
}

namespace {

// In two steps, since a config may itself say where plugins are.
Loaded loaded_from(const config::Node& root, const std::vector<config::Dropped>& dropped,
                   config::Diagnostics& diagnostics, const Common& common, const std::string& config) {
  Loaded loaded;
  loaded.registry = common.registry(plugin_paths_in(root), config);
  loaded.experiment = model::resolve_experiment(root, *loaded.registry, common.places(), diagnostics);
  if (common.quiet) return loaded;
  for (const std::string& note : config::notes_of(dropped, loaded.experiment.resolved))
    write_message("note: " + note);
  return loaded;
}

}  // namespace

Loaded load_config(const ConfigArguments& arguments, const Common& common) {
  config::Diagnostics diagnostics;
  std::vector<config::Dropped> dropped;
  const config::Node root = config::load(arguments.files, arguments.overrides, diagnostics, dropped);
  if (root.find("study"))
    throw config::Error("error: " + arguments.files.back() + " describes a study; run: variform study " +
                        base::for_shell(arguments.files.back()));
  return loaded_from(root, dropped, diagnostics, common,
                     arguments.files.empty() ? "" : arguments.files.back());
}

Loaded load_config(const std::string& text, const std::string& name,
                   const std::vector<std::string>& overrides, const Common& common) {
  config::Diagnostics diagnostics;
  std::vector<config::Dropped> dropped;
  config::Node root = config::parse(text, name, diagnostics);
  config::merge(root, config::parse_overrides(overrides, diagnostics), dropped);
  return loaded_from(root, dropped, diagnostics, common, name);
}

Composed compose(config::Experiment experiment, const plugins::Registry& registry,
                 const model::Places& places, const BeforeSteps& before) {
  try {
    Composed composed;
    composed.session = model::open_session(std::move(experiment), registry, places);
    const std::vector<std::string> found = before ? before(*composed.session) : std::vector<std::string>{};
    composed.preflight = composed.session->preflight(registry);
    composed.preflight.findings.insert(composed.preflight.findings.end(), found.begin(), found.end());
    composed.judging = train::judging_of(composed.session->experiment.train, *composed.session->assembly,
                                         composed.preflight);
    return composed;
  } catch (const Error& error) {
    throw config::Error("error: this config does not compose: " + base::without_frames(error.what()));
  }
}

fs::path chosen(const std::string& given) {
  const fs::path path = base::followed(given);
  for (const char* name : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
    if (path == name) return "/proc/self/fd/" + std::to_string(result_output());
  return path;
}

fs::path run_path(const Common& common, const std::string& run) {
  if (is_file_name(run)) return run;
  const fs::path below = fs::path(common.runs) / run;
  return is_file_name(below) ? below : fs::path(run);
}

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
  const fs::path last = run / "checkpoints" / "last.h5";  // the file is damaged; its like is in here
  if (!fs::is_regular_file(last)) return {};
  const checkpoint::Snapshot snapshot = checkpoint::read(last);
  const auto kept = snapshot.attributes.find("config");
  if (kept == snapshot.attributes.end()) return {};
  config::Diagnostics ignored;
  return plugin_paths_in(config::parse(kept->second, (run / config::kResolvedConfig).string(), ignored));
}

}  // namespace variform::cli
