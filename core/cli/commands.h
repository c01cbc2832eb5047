#pragma once
// One function a command: declares its options and stores what it does. Results go to
// stdout, everything else to stderr; a command returns the process's exit code.

#include <functional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "plugins/registry.h"
#include "train/judging.h"
#include "train/session.h"

namespace variform::cli {

inline constexpr int kDone = 0, kFailed = 1, kUsage = 2, kInterrupted = 130;

/// Options that every command understands.
struct Common {
  std::vector<std::string> data;     ///< --data
  std::vector<std::string> plugins;  ///< --plugin
  std::string runs = "runs";         ///< --runs
  int64_t threads = 0;               ///< --threads; 0: the config's
  bool quiet = false;
  int64_t verbose = 0;  ///< -v; from 2 on errors show stack frames
  bool json = false;
  std::vector<std::string> arguments;  ///< the command line, for environment.json

  train::Places places() const;
  /// The plugins at hand; `config_paths` as in [plugins].paths. Warns about named plugins that are refused.
  std::unique_ptr<plugins::Registry> registry(const std::vector<plugins::ConfigPath>& config_paths = {}) const;
};

/// What the chosen command does; set by its callback.
using Action = std::function<int()>;

void add_train_commands(Command app, Common& common, Action& action);   // train, resume
void add_config_commands(Command app, Common& common, Action& action);  // config print
void add_check_command(Command app, Common& common, Action& action);    // check
void add_plugin_commands(Command app, Common& common, Action& action);  // list, describe, doctor
void add_model_commands(Command app, Common& common,
                        Action& action);  // evaluate, sample, reconstruct, traverse, encode, export
void add_runs_commands(Command app, Common& common, Action& action);    // runs list|table|diff|plot
void add_compare_command(Command app, Common& common, Action& action);  // compare
void add_data_commands(Command app, Common& common, Action& action);    // data import|list|show
void add_show_command(Command data, Common& common, Action& action);    // data show
void add_new_command(Command app, Common& common, Action& action);      // new
void add_study_commands(Command app, Common& common, Action& action);   // study, report

/// True after Ctrl-C and after every other signal that asks a process to end or a queue sends before it takes the
/// machine away: TERM, HUP (unless started by nohup), USR1, USR2, QUIT, XCPU, and PIPE, when nobody reads what is
/// written.
bool interrupted();
/// Installs the handlers. However many such signals come, work ends in order; only Ctrl-C's third ends the process at
/// once.
void watch_signals();

/// Splits `CONFIG… [a.b=VALUE…]`: files first, then overrides (anything with '=' whose left side is a dotted key).
/// A file that is not there is looked for relative to the installation's or checkout's configs, too.
struct ConfigArguments {
  std::vector<std::string> files, overrides;
};
ConfigArguments split_arguments(const std::vector<std::string>& arguments);

/// A config read, the plugins that it asks for, and what it means with them. Errors are thrown all at once
/// (config::Error); what an override dropped is noted on stderr.
struct Loaded {
  std::unique_ptr<plugins::Registry> registry;
  config::Experiment experiment;
};
Loaded load_config(const ConfigArguments& arguments, const Common& common);

/// Data, model and preflight of a config. What does not compose is an error of the config (config::Error).
struct Composed {
  std::unique_ptr<train::Session> session;
  train::Preflight preflight;
  train::Judging judging;
};
Composed compose(config::Experiment experiment, const plugins::Registry& registry,
                 const train::Places& places);

/// A folder of files that come with the program ("template"); empty if it is not there.
std::filesystem::path shared_folder(const std::string& name);

/// Builds a config, runs one step on two rows, and says what it found: `check CONFIG…`.
int check_config(const Common& common, const std::vector<std::string>& arguments);

/// The same for a study, without training: `check STUDY.toml`.
int check_study(const Common& common, const std::vector<std::string>& arguments);

/// A run's folder, given as a path or as its name below --runs.
std::filesystem::path run_path(const Common& common, const std::string& run);

/// Whether there is a run's folder or a checkpoint under that name, and what it is in words or as JSON.
bool is_run(const std::filesystem::path& path);
std::string described_run(const std::filesystem::path& run, bool as_json);

/// What a config says of plugins, with what is to be known of whom to trust: a run's own copy may come from others.
std::vector<plugins::ConfigPath> plugin_paths_in(const config::Node& root);
/// The same of the config in a run's folder; nothing for a checkpoint by itself.
std::vector<plugins::ConfigPath> plugin_paths_of(const std::filesystem::path& run);

/// Keeps stdout for write_result(): whatever else the process prints there, a plugin for instance, goes to stderr.
void guard_stdout();
/// True when write_result() could not write all of its text.
bool result_lost();
/// Where results go: stdout as the process was given it, which plugins do not reach.
int result_output();

/// Text, or JSON, on stdout.
void write_result(const std::string& text);

}  // namespace variform::cli
