#pragma once
// Where a program looks for configs, data and plugins, and the one way to open an experiment: from files, from a config's
// text, from a run or checkpoint.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "model/session.h"
#include "plugins/registry.h"

namespace variform::model {

/// What a config says of plugins, with what is to be known of whom to trust: a run's own copy may come from others.
std::vector<plugins::ConfigPath> plugin_paths_in(const config::Node& root);
/// The same of the config in a run's folder; nothing for a checkpoint by itself.
std::vector<plugins::ConfigPath> plugin_paths_of(const std::filesystem::path& run);

/// A config read, the plugins that it asks for, and what it means with them.
struct Loaded {
  std::unique_ptr<plugins::Registry> registry;
  config::Experiment experiment;
};

/// A trained model, and where it lies. Warnings that concern it have gone to the log.
struct OpenedRun {
  std::shared_ptr<plugins::Registry> registry;
  Trained trained;
  std::filesystem::path checkpoint;
  std::filesystem::path folder;  ///< the run's; the checkpoint's own where that lies outside of a run

  Session& session() const { return *trained.session; }
};

/// Which checkpoint of a run is opened, and how.
struct OpenOptions {
  std::string which = "last";  ///< or "best"
  std::vector<std::string> overrides = {};
  DataUse use = DataUse::kNeeded;
};

/// `log` must outlive it.
struct Workplace {
  Places places;
  std::vector<std::string>
      plugins;  ///< files, or folders of them, that are named besides those of the places
  base::Log& log;

  /// The plugins at hand; `config_paths` as in [plugins].paths of the file `config`. Warns about named plugins that are
  /// refused, and about named places that are not there.
  std::unique_ptr<plugins::Registry> registry(const std::vector<plugins::ConfigPath>& config_paths = {},
                                              const std::string& config = {}) const;

  /// Reads config files with overrides. Errors are thrown all at once (config::Error), a study's file among them; what an
  /// override dropped is a note.
  Loaded load(const std::vector<std::string>& files, const std::vector<std::string>& overrides) const;
  /// The same for a config that is not a file, such as a checkpoint's; `name` stands for it in messages.
  Loaded load_text(const std::string& text, const std::string& name,
                   const std::vector<std::string>& overrides) const;

  /// Opens the trained model of a run's folder or of a checkpoint file, with `registry`, or with the run's own plugins when
  /// there is none. Warns of a config that was edited, and of plugins and data that have changed since.
  OpenedRun open(const std::filesystem::path& run, const OpenOptions& options,
                 std::shared_ptr<plugins::Registry> registry = {}) const;
};

}  // namespace variform::model
