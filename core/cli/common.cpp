// What the commands share: places, signals, arguments.

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/frames.h"
#include "base/last_words.h"
#include "base/process_state.h"
#include "cli/commands.h"
#include "config/load.h"
#include "config/text.h"
#include "data/files.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

volatile std::sig_atomic_t was_interrupted = 0, times_ctrl_c = 0;

constexpr int kTimesToForce = 3;  // presses of Ctrl-C
constexpr const char* kRunConfig = "config.resolved.toml";

// What is being called has to return first, which an endless loop never does.
void tell_ending() {
  const base::SignalText place = base::whereabouts();
  base::SignalText text;
  text << "\nending in order";
  if (!place.empty()) text << ", as soon as this has returned: " << place.text();
  text << "; to end at once, without that: Ctrl-C three times, or kill -KILL " << ::getpid() << "\n";
  text.write_to(STDERR_FILENO);
}

void on_signal(int signal) {
  const int error = errno;
  if (signal == SIGINT) times_ctrl_c = times_ctrl_c + 1;
  if (times_ctrl_c >= kTimesToForce) base::end_in_order(kInterrupted);
  // Neither where the terminal or the reader is gone.
  if (!was_interrupted && signal != SIGPIPE && signal != SIGHUP) tell_ending();
  was_interrupted = 1;
  errno = error;
}

// Where results go: stdout as the program found it, once guard_stdout() has been called.
int result_descriptor = STDOUT_FILENO;
bool result_was_lost = false;

// nohup and the like have set it so, and mean it.
bool is_ignored(int signal) {
  struct sigaction present {};
  return ::sigaction(signal, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
}

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

}  // namespace

fs::path shared_folder(const std::string& name) {
  for (const fs::path& home : homes())
    if (fs::is_directory(home / name)) return fs::weakly_canonical(home / name);
  return {};
}

void watch_signals() {
  base::expect_handler(on_signal);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // what is being written goes on
  for (int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
  for (int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGXCPU, SIGPIPE})
    if (!is_ignored(signal)) ::sigaction(signal, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then an error of write(), which has a sentence
}

bool interrupted() { return was_interrupted != 0; }

train::Places Common::places() const {
  train::Places places;
  places.data = data::data_folders(data);
  for (const fs::path& home : homes()) {
    if (!fs::is_directory(home / "datasets")) continue;
    const fs::path folder = fs::weakly_canonical(home / "datasets");
    if (std::find(places.descriptors.begin(), places.descriptors.end(), folder) == places.descriptors.end())
      places.descriptors.push_back(folder);
  }
  return places;
}

std::unique_ptr<plugins::Registry> Common::registry(
    const std::vector<plugins::ConfigPath>& config_paths) const {
  auto registry = std::make_unique<plugins::Registry>(plugins::search_for(plugins, config_paths));
  registry->tell_changes_to([](const std::string& text) { std::fprintf(stderr, "warning: %s\n", text.c_str()); });
  for (const std::string& warning : registry->warnings())
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  return registry;
}

ConfigArguments split_arguments(const std::vector<std::string>& arguments) {
  ConfigArguments split;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals != std::string::npos && !fs::exists(argument)) {
      split.overrides.push_back(argument);
      continue;
    }
    fs::path file = argument;
    for (const fs::path& home : homes())
      if (!fs::exists(file) && file.is_relative() && fs::exists(home / argument))
        file = fs::weakly_canonical(home / argument);
    split.files.push_back(file.string());
  }
  return split;
}

// In two steps, since a config may itself say where plugins are.
Loaded load_config(const ConfigArguments& arguments, const Common& common) {
  Loaded loaded;
  config::Diagnostics diagnostics;
  std::vector<config::Dropped> dropped;
  const config::Node root = config::load(arguments.files, arguments.overrides, diagnostics, dropped);
  if (root.find("study"))
    throw config::Error("error: " + arguments.files.back() + " describes a study; run: variform study " +
                        config::for_shell(arguments.files.back()));
  loaded.registry = common.registry(plugin_paths_in(root));
  loaded.experiment = train::resolve_experiment(root, *loaded.registry, common.places(), diagnostics);
  if (common.quiet) return loaded;
  for (const std::string& note : config::notes_of(dropped, loaded.experiment.resolved))
    std::fprintf(stderr, "note: %s\n", note.c_str());
  return loaded;
}

Composed compose(config::Experiment experiment, const plugins::Registry& registry,
                 const train::Places& places) {
  try {
    Composed composed;
    composed.session = train::open_session(std::move(experiment), registry, places);
    composed.preflight = composed.session->preflight(registry);
    composed.judging = train::judging_of(composed.session->experiment.train, *composed.session->assembly,
                                         composed.preflight);
    return composed;
  } catch (const Error& error) {
    throw config::Error("error: this config does not compose: " + base::without_frames(error.what()));
  }
}

fs::path run_path(const Common& common, const std::string& run) {
  if (fs::exists(run)) return run;
  const fs::path below = fs::path(common.runs) / run;
  return fs::exists(below) ? below : fs::path(run);
}

std::vector<plugins::ConfigPath> plugin_paths_in(const config::Node& root) {
  std::vector<plugins::ConfigPath> paths;
  for (const std::string& path : config::plugin_paths(root)) paths.push_back({path});
  const config::Node* section = root.find("plugins");
  const config::Node* named = section && section->is_table() ? section->find("paths") : nullptr;
  if (!named || !named->if_array()) return paths;
  const fs::path file = named->where().file;
  if (file.filename() != kRunConfig) return paths;
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
  return plugin_paths_in(config::parse_file((run / kRunConfig).string(), diagnostics));
}

void guard_stdout() {
  std::fflush(stdout);
  const int own = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (own < 0) return;  // closed, or no descriptor to spare: as it was
  if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) ::close(own);
  else result_descriptor = own;
}

bool result_lost() { return result_was_lost; }

int result_output() { return result_descriptor; }

void write_result(const std::string& text) {
  const std::string all = text.empty() || text.back() != '\n' ? text + '\n' : text;
  for (std::size_t written = 0; written < all.size();) {
    const ssize_t n = ::write(result_descriptor, all.data() + written, all.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      result_was_lost = true;
      return;
    }
    written += static_cast<std::size_t>(n);
  }
}

}  // namespace variform::cli
