#pragma once
// The places in which a program looks for data and plugins, and the one way to open an experiment: from files, from a
// config's text, from a run or checkpoint.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "model/plugin_readers.h"
#include "model/session.h"
#include "plugins/registry.h"

namespace variform::model {

/// Returns the plugin paths in a config, each with the run that it comes from: a run's copy may be by others, who need
/// not be trusted.
std::vector<plugins::ConfigPath> plugin_paths_in(const config::Node& root);
/// The same for the config in a run's folder; nothing for a checkpoint by itself.
std::vector<plugins::ConfigPath> plugin_paths_of(const std::filesystem::path& run);

/// An experiment as read from a config, with the plugins that it asks for.
struct Loaded {
  std::unique_ptr<plugins::Registry> registry;
  config::Experiment experiment;
};

/// A trained model and its paths. Warnings about it have gone to the log.
struct OpenedRun {
  std::shared_ptr<plugins::Registry> registry;
  Trained trained;
  std::filesystem::path checkpoint;
  std::filesystem::path folder;  ///< the run's; the checkpoint's own where that lies outside of a run

  Session& session() const { return *trained.session; }
};

/// The readers that plugins bring, and the plugins.
struct FoundReaders {
  std::unique_ptr<plugins::Registry> registry;
  std::unique_ptr<data::OtherReaders> readers;
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
  std::vector<std::string> plugins;  ///< files, or folders of them, beside those that are always searched
  base::Log& log;

  /// Finds the plugins; `config_paths` are [plugins].paths of the file `config`. Warns about named plugins that are
  /// refused, and about named places that do not exist.
  std::unique_ptr<plugins::Registry> registry(const std::vector<plugins::ConfigPath>& config_paths = {},
                                              const std::string& config = {}) const;
  /// The readers of those that are found without a config.
  FoundReaders readers() const;
  /// Reads data by themselves, to look at them: in float32 on the CPU. Throws as data::load().
  data::Splits data(const config::DataSpec& spec, const data::OtherReaders& others) const;

  /// Reads config files with overrides. Throws all errors at once (config::Error), also for a study's file. Logs a note
  /// for what an override dropped.
  Loaded load(const std::vector<std::string>& files, const std::vector<std::string>& overrides) const;
  /// The same for a config that is not a file, such as a checkpoint's; `name` stands for it in messages.
  Loaded load_text(const std::string& text, const std::string& name,
                   const std::vector<std::string>& overrides) const;

  /// Opens the trained model of a run's folder or of a checkpoint file, with `registry` or, if that is null, with the
  /// run's own plugins. Warns about an edited config, and about plugins and data that have changed since.
  OpenedRun open(const std::filesystem::path& run, const OpenOptions& options,
                 std::shared_ptr<plugins::Registry> registry = {}) const;
};

}  // namespace variform::model
