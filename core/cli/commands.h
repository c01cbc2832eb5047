#pragma once
// Declares the commands: each function adds the options of some commands and stores what they do. Results go to
// stdout, everything else to stderr; a command returns the process's exit code.

#include <functional>
#include <string>
#include <vector>

#include "base/logger.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "model/workplace.h"
#include "train/compose.h"

namespace variform::cli {

/// Exit codes; README.md has the table.
inline constexpr int kDone = 0, kFailed = 1, kUsage = 2, kTimeOver = 75, kInterrupted = 130;

/// Options that every command understands.
struct Common {
  explicit Common(base::Logger& logger) : log(logger) {}

  std::vector<std::string> data;     ///< --data
  std::vector<std::string> plugins;  ///< --plugin
  std::string runs = "runs";         ///< --runs
  double memory = 0;                 ///< --memory, in GB; 0: not given
  int64_t threads = 0;               ///< --threads; 0: the config's
  bool quiet = false;                ///< -q: warnings and errors only
  int64_t verbose = 0;               ///< -v: how things were decided; -vv: all, and stack frames in errors
  bool log_json = false;             ///< --log-json: the log as lines of JSON
  bool json = false;
  std::vector<std::string> arguments;  ///< the command line, for environment.json
  base::Logger& log;

  /// Returns the places, plugins and log that the options name. It must not outlive them.
  model::Workplace workplace() const;
  /// Sets the log by these options and VARIFORM_LOG. Throws config::Error where that is none of its levels.
  void set_log() const;
  /// Whether progress is shown by bars on a terminal.
  bool shows_bars() const;
};

/// The work of the chosen command; set by its callback.
using Action = std::function<int()>;

void add_train_commands(Command app, Common& common, Action& action);    // train, resume
void add_config_commands(Command app, Common& common, Action& action);   // config print
void add_check_command(Command app, Common& common, Action& action);     // check
void add_plugin_commands(Command app, Common& common, Action& action);   // list, describe, doctor
void add_evaluate_command(Command app, Common& common, Action& action);  // evaluate
void add_export_commands(Command app, Common& common, Action& action);
void add_model_commands(Command app, Common& common,
                        Action& action);  // sample, reconstruct, traverse, interpolate, encode, export
void add_runs_commands(Command app, Common& common, Action& action);    // runs list|table|diff|plot|serve
void add_plot_command(Command runs, Common& common, Action& action);    // runs plot
void add_serve_command(Command runs, Common& common, Action& action);   // runs serve
void add_export_commands(Command app, Common& common, Action& action);  // export, import
void add_compare_command(Command app, Common& common, Action& action);  // compare
void add_data_commands(Command app, Common& common, Action& action);    // data import|list|show
void add_list_command(Command data, Common& common, Action& action);    // data list
void add_show_command(Command data, Common& common, Action& action);    // data show
void add_new_command(Command app, Common& common, Action& action);      // new
void add_shell_commands(Parser& parser, Action& action);                // completion, man
void add_study_commands(Command app, Common& common, Action& action);   // study, report

/// Installs handlers for the signals that ask a process to end, or that a batch system sends before it takes the
/// machine away: INT, TERM, QUIT, USR1, USR2, XCPU, XFSZ, HUP (unless started by nohup), and PIPE, when nobody reads
/// the output. Until watch_signals() they remove the process's temporaries and end it at once with kInterrupted.
void install_signal_handlers();
/// Called when there is something to keep: from now on work continues after such signals until it checks interrupted(),
/// and ends in order. Only the third Ctrl-C ends the process at once.
void watch_signals();
/// True after the first such signal.
bool interrupted();
/// The name of the first such signal, "SIGTERM".
const char* interrupting_signal();

/// Splits `CONFIG… [a.b=VALUE…]`: files first, then overrides (anything with '=' whose left side is a dotted key).
/// A file that does not exist is also looked for in the installation or checkout; "quickstart" is its
/// configs/quickstart.toml.
struct ConfigArguments {
  std::vector<std::string> files, overrides;
};
ConfigArguments split_arguments(const std::vector<std::string>& arguments);

/// Returns the checks, before a training's first step, of plugins that did not come with the program.
train::BeforeSteps trial_of_guests(const Common& common);

/// Builds a config, runs one step on two rows, and says what it found: `check CONFIG…`.
int check_config(const Common& common, const std::vector<std::string>& arguments);

/// The same for a study, without training: `check STUDY.toml`.
int check_study(const Common& common, const std::vector<std::string>& arguments);

/// Returns the file that a user named with --out and the like. Links are followed here alone, and nothing below follows
/// one. Standard output is the program's own, which plugins cannot reach.
std::filesystem::path chosen(const std::string& given);

/// Returns a run's folder, given as a path or as its name below --runs.
std::filesystem::path run_path(const Common& common, const std::string& run);

}  // namespace variform::cli
