// Shared by all commands: places, arguments, standard output.

#include <cstdlib>

#include "base/file.h"
#include "base/shared_files.h"
#include "cli/commands.h"
#include "conformance/guests.h"
#include "data/files.h"

namespace variform::cli {
namespace fs = std::filesystem;

model::Workplace Common::workplace() const {
  model::Places places;
  places.memory = memory;
  places.data = data::data_folders(data);
  places.descriptors = base::shared_folders("datasets");
  return {std::move(places), plugins, log};
}

void Common::set_log() const {
  const char* asked = std::getenv("VARIFORM_LOG");
  base::LoggerOptions options;
  options.levels.least = quiet         ? base::Level::kWarning
                         : verbose > 1 ? base::Level::kTrace
                         : verbose > 0 ? base::Level::kDebug
                                       : base::Level::kInfo;
  try {
    if (asked) options.levels = base::levels_in(asked, options.levels);
  } catch (const base::Error& error) {
    throw config::Error(std::string("VARIFORM_LOG: ") + error.what());
  }
  options.json = log_json;
  const char *no_colour = std::getenv("NO_COLOR"), *terminal = std::getenv("TERM");
  options.colour =
      has_terminal() && !(no_colour && *no_colour) && terminal && std::string(terminal) != "dumb";
  log.set(options);
}

bool Common::shows_bars() const { return has_terminal() && !log_json && log.wants(base::Level::kInfo, {}); }

namespace {

// "quickstart" is the program's own configs/quickstart.toml where no file has that name.
fs::path config_file(const std::string& given) {
  const fs::path file = base::shared_file(given);
  if (base::is_file_name(file) || file.has_parent_path() || file.has_extension()) return file;
  const fs::path own = base::shared_file("configs/" + given + ".toml");
  return base::is_file_name(own) ? own : file;
}

}  // namespace

ConfigArguments split_arguments(const std::vector<std::string>& arguments) {
  ConfigArguments split;
  for (const std::string& argument : arguments) {
    const bool is_override = argument.find('=') != std::string::npos && !base::is_file_name(argument);
    if (is_override) split.overrides.push_back(argument);
    else split.files.push_back(config_file(argument).string());
  }
  return split;
}

train::BeforeSteps trial_of_guests(const Common& common) {
  return [&common](const model::Session& session, const plugins::Registry& registry) {
    return conformance::try_guests(
        {session.experiment, session.facts.shape, session.horizon, VARIFORM_VERSION}, registry, common.log);
  };
}

fs::path chosen(const std::string& given) {
  const fs::path path = base::followed(given);
  for (const char* name : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
    if (path == name) return "/proc/self/fd/" + std::to_string(result_output());
  return path;
}

fs::path run_path(const Common& common, const std::string& run) {
  if (base::is_file_name(run)) return run;
  const fs::path below = fs::path(common.runs) / run;
  return base::is_file_name(below) ? below : fs::path(run);
}

}  // namespace variform::cli
