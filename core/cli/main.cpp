// The program: parses the command line, runs one command, and turns exceptions into exit codes and sentences.

#include <cstdio>
#include <exception>

#include "base/frames.h"
#include "base/interrupt.h"
#include "base/last_words.h"
#include "base/long_calls.h"
#include "base/quote.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "config/node.h"
#include "model/process.h"
#include "plugins/plugin_log.h"
#include "plugins/trial.h"

namespace {

using variform::base::Level;

int run(int argc, char** argv, variform::base::Logger& log) {
  variform::cli::Parser parser(
      "Variform: how does the variational family of a beta-VAE shape the model that it learns?", "variform");
  variform::cli::Command app = parser.program();
  variform::cli::Common common(log);
  common.arguments.assign(argv, argv + argc);
  app.add_option("--data", common.data, "Folder with data sets; may be repeated (also VARIFORM_DATA)")
      .type_name("DIR");
  app.add_option("--plugin", common.plugins, "Plugin file to load besides those found; may be repeated")
      .type_name("FILE");
  app.add_option("--runs", common.runs, "Where run folders are").type_name("DIR").shows_default();
  app.add_option("--threads", common.threads, "Threads of LibTorch; 0: as the config says").non_negative();
  app.add_option("--memory", common.memory,
                 "GB that data files may become in memory; default: half of what is free")
      .type_name("GB")
      .positive();
  app.add_flag("--quiet,-q", common.quiet, "Warnings and errors only");
  app.add_flag("--verbose,-v", common.verbose,
               "Say how things were decided; given twice, everything, and stack frames in errors");
  app.add_flag("--json", common.json, "Results as JSON");
  app.add_flag("--log-json", common.log_json, "Messages on stderr as lines of JSON");

  variform::cli::Action action;
  variform::cli::add_train_commands(app, common, action);
  variform::cli::add_evaluate_command(app, common, action);
  variform::cli::add_model_commands(app, common, action);
  variform::cli::add_export_commands(app, common, action);
  variform::cli::add_compare_command(app, common, action);
  variform::cli::add_runs_commands(app, common, action);
  variform::cli::add_study_commands(app, common, action);
  variform::cli::add_data_commands(app, common, action);
  variform::cli::add_config_commands(app, common, action);
  variform::cli::add_check_command(app, common, action);
  variform::cli::add_plugin_commands(app, common, action);
  variform::cli::add_new_command(app, common, action);
  variform::cli::add_shell_commands(parser, action);
  bool usage = false;
  if (!parser.parse(argc, argv, usage)) return usage ? variform::cli::kUsage : variform::cli::kDone;
  variform::cli::guard_stdout();
  if (common.verbose > 1) variform::base::show_frames();
  variform::base::guard_ending(variform::plugins::tell_whereabouts, variform::cli::kFailed);
  const variform::base::LongCalls long_calls(variform::plugins::number_of_call);
  const variform::plugins::PluginLog plugin_log(log);
  try {
    common.set_log();
    return action ? action() : variform::cli::kUsage;
  } catch (const variform::base::Interrupted& error) {
    log.info(error.what());
    return variform::cli::kInterrupted;
  } catch (const variform::config::Mistakes& error) {
    if (common.log_json) log.write(Level::kError, {}, error.plain());
    else variform::cli::write_lines(variform::base::shown_lines(error.what()));
    return variform::cli::kUsage;
  } catch (const variform::config::Error& error) {
    log.write(Level::kError, {}, variform::base::without_frames(error.what()));
    return variform::cli::kUsage;
  } catch (const std::exception& error) {
    log.write(Level::kError, {}, variform::base::without_frames(error.what()));
    return variform::cli::kFailed;
  } catch (...) {
    log.write(Level::kError, {}, "a plugin threw something that does not derive from std::exception.");
    return variform::cli::kFailed;
  }
}

}  // namespace

// Replaces the two functions that end a process silently; plugins find these before those of the C library.
extern "C" [[noreturn, gnu::visibility("default")]] void _exit(int code) {
  variform::base::leaving_by("_exit", code);
  variform::base::leave(code);
}
extern "C" [[noreturn, gnu::visibility("default")]] void _Exit(int code) noexcept {
  variform::base::leaving_by("_Exit", code);
  variform::base::leave(code);
}

int main(int argc, char** argv) {
  variform::cli::install_signal_handlers();
  variform::model::keep_freed_memory();
  variform::model::flush_denormals();
  variform::base::Logger log({}, variform::cli::write_lines);
  int code = run(argc, argv, log);
  const bool was_lost = std::ferror(stdout) != 0 || variform::cli::result_lost();
  if (std::fflush(stdout) != 0 || was_lost) {
    log.write(Level::kError, {}, "standard output could not be written to its end; is its disk full?");
    if (code == variform::cli::kDone) code = variform::cli::kFailed;
  }
  // Skips LibTorch's destructors, which clear tables of operators for a twentieth of a second.
  variform::base::end_in_order(code);
}
