#pragma once
// One function a command: declares its options and stores what it does. Results go to
// stdout, everything else to stderr; a command returns the process's exit code.

#include <functional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/terminal.h"
#include "model/workplace.h"
#include "train/compose.h"

namespace variform::cli {

/// README.md has the table.
inline constexpr int kDone = 0, kFailed = 1, kUsage = 2, kInterrupted = 130;

/// Options that every command understands.
struct Common {
  explicit Common(TerminalLog& terminal) : log(terminal) {}

  std::vector<std::string> data;     ///< --data
  std::vector<std::string> plugins;  ///< --plugin
  std::string runs = "runs";         ///< --runs
  double memory = 0;                 ///< --memory, in GB; 0: not given
  int64_t threads = 0;               ///< --threads; 0: the config's
  bool quiet = false;
  int64_t verbose = 0;  ///< -v; from 2 on errors show stack frames
  bool json = false;
  std::vector<std::string> arguments;  ///< the command line, for environment.json
  TerminalLog& log;

  /// Places, plugins and the log that the options name. It must not outlive them.
  model::Workplace workplace() const;
};

/// What the chosen command does; set by its callback.
using Action = std::function<int()>;

void add_train_commands(Command app, Common& common, Action& action);    // train, resume
void add_config_commands(Command app, Common& common, Action& action);   // config print
void add_check_command(Command app, Common& common, Action& action);     // check
void add_plugin_commands(Command app, Common& common, Action& action);   // list, describe, doctor
void add_evaluate_command(Command app, Common& common, Action& action);  // evaluate
void add_model_commands(Command app, Common& common,
                        Action& action);  // sample, reconstruct, traverse, interpolate, encode, export
void add_runs_commands(Command app, Common& common, Action& action);    // runs list|table|diff|plot
void add_plot_command(Command runs, Common& common, Action& action);    // runs plot
void add_compare_command(Command app, Common& common, Action& action);  // compare
void add_data_commands(Command app, Common& common, Action& action);    // data import|list|show
void add_list_command(Command data, Common& common, Action& action);    // data list
void add_show_command(Command data, Common& common, Action& action);    // data show
void add_new_command(Command app, Common& common, Action& action);      // new
void add_study_commands(Command app, Common& common, Action& action);   // study, report

/// Installs the handlers of the signals that ask a process to end, or that a queue sends before it takes the machine away:
/// INT, TERM, QUIT, USR1, USR2, XCPU, XFSZ, HUP (unless started by nohup), and PIPE, when nobody reads what is written.
/// Until watch_signals() they end the process at once, with its temporaries and kInterrupted.
void install_signal_handlers();
/// From here on there is something to keep: however many such signals come, work goes on until it has seen interrupted(),
/// and ends in order. Only Ctrl-C's third ends the process at once.
void watch_signals();
/// True after the first such signal.
bool interrupted();
/// Its name, "SIGTERM".
const char* interrupting_signal();

/// Splits `CONFIG… [a.b=VALUE…]`: files first, then overrides (anything with '=' whose left side is a dotted key).
/// A file that is not there is looked for relative to the installation's or checkout's configs, too.
struct ConfigArguments {
  std::vector<std::string> files, overrides;
};
ConfigArguments split_arguments(const std::vector<std::string>& arguments);

/// What a training does before its first step with plugins that did not come with the program.
train::BeforeSteps trial_of_guests(const Common& common);

/// Builds a config, runs one step on two rows, and says what it found: `check CONFIG…`.
int check_config(const Common& common, const std::vector<std::string>& arguments);

/// The same for a study, without training: `check STUDY.toml`.
int check_study(const Common& common, const std::vector<std::string>& arguments);

/// Where what a user named with --out and the like goes: links of the user's are followed, here alone, and standard output
/// is that of the program, which plugins do not reach. Nothing below follows a link.
std::filesystem::path chosen(const std::string& given);

/// A run's folder, given as a path or as its name below --runs.
std::filesystem::path run_path(const Common& common, const std::string& run);

}  // namespace variform::cli
