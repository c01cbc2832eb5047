// See guests.h. The tests need a process without plugins: this program is started again, as `check --quick`.

#include "conformance/guests.h"

#include <torch/version.h>
#include <variform/manifest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

#include "base/json_file.h"
#include "base/processes.h"
#include "base/program.h"
#include "base/quote.h"
#include "base/remembered.h"
#include "base/sha256.h"
#include "config/text.h"
#include "conformance/quick.h"
#include "plugins/library.h"

namespace variform::conformance {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using GuestClock = std::chrono::steady_clock;

constexpr int64_t kMostValues = 4096, kMostLatents = 64;  // beyond these, tests choose their sizes
constexpr int kAttempts = 3;                              // to end in time; then the trial counts as done

// One component as a config uses it.
struct Guest {
  const plugins::PluginRecord* plugin = nullptr;
  std::string component;               // "family:student-t"
  std::vector<std::string> arguments;  // of `check`, after the file
  std::string label;                   // "family student-t (org.example.student-t 1.0.0)"

  std::string key;  // of what is remembered
};

// Identifies a build of a file without reading it.
std::string stamp_of(const fs::path& file) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(file, error);
  const fs::file_time_type written = fs::last_write_time(file, error);
  return fmt::format("\n{} {} {}", file.string(), size, written.time_since_epoch().count());
}

// Returns everything that a trial's outcome depends on: the plugin, the question, the libraries that it needs
// (including its own) and the program that tries it.
std::string key_of(const Guest& guest, const std::string& version) {
  std::string text = guest.plugin->sha256 + "\n" + std::string(kFingerprint) + "\n" + VARIFORM_SDK_VERSION +
                     "\n" + TORCH_VERSION + "\n" + version + stamp_of(base::this_program());
  for (const fs::path& library : plugins::libraries_of(guest.plugin->path)) text += stamp_of(library);
  for (const std::string& argument : guest.arguments) text += "\n" + argument;
  return base::sha256(text);
}

// Returns a value as `check` reads it; empty for components, which tests provide themselves.
std::string setting_of(const config::ParameterValue& value, int64_t horizon) {
  return std::visit(
      [&](const auto& given) -> std::string {
        using Value = std::decay_t<decltype(given)>;
        if constexpr (std::is_same_v<Value, std::shared_ptr<config::ComponentSpec>>) return {};
        else if constexpr (std::is_same_v<Value, config::Schedule>) return Json(given.at(0, horizon)).dump();
        else return Json(given).dump();
      },
      value);
}

void visit_specs(const config::ComponentSpec& spec,
                 const std::function<void(const config::ComponentSpec&)>& visit) {
  visit(spec);
  for (const auto& [name, value] : spec.parameters)
    if (const auto* nested = std::get_if<std::shared_ptr<config::ComponentSpec>>(&value))
      visit_specs(**nested, visit);
}

std::vector<std::string> sizes_of(const Tried& tried_with) {
  const Shape& data = tried_with.data;
  int64_t values = 1;
  for (int64_t side : data) values *= side;
  if (values > kMostValues || tried_with.experiment.latent > kMostLatents) return {};
  std::string shape;
  for (int64_t side : data) shape += (shape.empty() ? "" : ",") + std::to_string(side);
  return {"--latent", std::to_string(tried_with.experiment.latent), "--data", shape};
}

std::vector<Guest> guests_of(const Tried& tried_with, const plugins::Registry& registry) {
  std::vector<Guest> guests;
  const std::vector<std::string> sizes = sizes_of(tried_with);
  for (const auto& [kind, slot] : tried_with.experiment.slots)
    visit_specs(slot, [&](const config::ComponentSpec& spec) {
      if (spec.type.empty()) return;
      const plugins::Offer offer = registry.offer(spec.kind, spec.type, spec.plugin);
      if (offer.plugin->is_stock || offer.plugin->path.empty()) return;
      Guest guest{offer.plugin, std::string(to_string(spec.kind)) + ":" + spec.type, {}, {}, {}};
      guest.label = std::string(to_string(spec.kind)) + " " + offer.label();
      for (const auto& [name, value] : spec.parameters)
        if (const std::string text = setting_of(value, tried_with.horizon); !text.empty())
          guest.arguments.push_back(guest.component + "." + name + "=" + text);
      guest.arguments.insert(guest.arguments.end(), {"--component", guest.component});
      guest.arguments.insert(guest.arguments.end(), sizes.begin(), sizes.end());
      guest.key = key_of(guest, tried_with.program);
      if (std::none_of(guests.begin(), guests.end(), [&](const Guest& g) { return g.key == guest.key; }))
        guests.push_back(std::move(guest));
    });
  return guests;
}

// The result of one trial.
struct Trial {
  std::vector<std::string> failures, warnings;  // "gradients: the gradient …"
  int passed = 0, late = 0, blocked = 0;
  std::optional<int> failed_with;  // an exit code: there was no trial
};

// Returns the command that tells everything, to be typed.
std::string command_for(const Guest& guest) {
  std::string text = "variform check " + base::for_shell(guest.plugin->path.string());
  for (const std::string& argument : guest.arguments) text += " " + base::for_shell(argument);
  return text;
}

Trial judged(const Json& results) {
  Trial trial;
  std::string blocked;
  for (const Json& result : results) {
    const std::string test = result.at("test"), outcome = result.at("outcome");
    const std::string said = test + ": " + result.at("detail").get<std::string>();
    if (result.value("late", false)) ++trial.late;
    else if (result.value("blocked", false) && is_decisive(test)) {
      blocked += (blocked.empty() ? "" : ", ") + test;
      ++trial.blocked;
    } else if (outcome == "pass") ++trial.passed;
    else if (outcome == "warning") trial.warnings.push_back(said);
    else if (outcome == "fail" || outcome == "crash")
      (is_decisive(test) ? trial.failures : trial.warnings).push_back(said);
  }
  if (trial.blocked > 0)
    trial.warnings.push_back("not tried, because they build on tests that did not pass: " + blocked);
  return trial;
}

Trial tried(const Guest& guest, double seconds) {
  const auto budget = std::max<int64_t>(1, static_cast<int64_t>(seconds));
  std::vector<std::string> command{base::this_program(), "check", guest.plugin->path.string(), "--json",
                                   "--quick=" + std::to_string(budget)};
  command.insert(command.end(), guest.arguments.begin(), guest.arguments.end());
  const base::Said said = base::run_program(command, std::chrono::seconds(5 * budget + 10));
  const Json found = Json::parse(said.out, nullptr, /*allow_exceptions=*/false);
  if (found.is_object()) return judged(found.at("results"));
  Trial none;
  if (said.over) none.late = 1;
  else none.failed_with = said.code;
  return none;
}

[[noreturn]] void refuse(const Guest& guest, const std::vector<std::string>& failures) {
  std::string text = guest.label + " does not compute what it says; nothing was trained.";
  for (const std::string& failure : failures) text += "\n  " + failure;
  throw std::runtime_error(text + "\nFor all details: " + command_for(guest) +
                           "\nTo train with it all the same: --no-check");
}

// What is remembered about a trial.
struct KeptTrial {
  bool done = false;
  std::int64_t attempts = 0;
  std::vector<std::string> warnings;
};

// Returns an empty trial for a text of another form.
KeptTrial recall(const base::Remembered& remembered, const std::string& key) {
  const std::optional<std::string> text = remembered.find(key);
  if (!text) return {};
  try {
    const base::JsonFile file(*text, key);
    KeptTrial kept{file.root().at("done").flag(), file.root().at("attempts").integer(0, kAttempts), {}};
    for (const base::JsonValue& line : file.root().at("warnings").elements())
      kept.warnings.push_back(line.text());
    return kept;
  } catch (const base::JsonError&) {
    return {};
  }
}

void keep(const base::Remembered& remembered, const std::string& key, const KeptTrial& trial) {
  const Json value{{"done", trial.done}, {"attempts", trial.attempts}, {"warnings", trial.warnings}};
  remembered.keep(key, value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// Returns the warnings after a trial that refused nothing.
std::vector<std::string> warnings_of(const Guest& guest, const Trial& trial) {
  std::vector<std::string> warnings;
  for (const std::string& warning : trial.warnings) warnings.push_back(guest.label + ", " + warning);
  if (trial.late > 0)
    warnings.push_back(guest.label + " could not be tried to the end in the time allowed: " +
                       command_for(guest) + " takes as long as it needs");
  if (trial.failed_with)
    warnings.push_back(
        fmt::format("{} could not be tried: 'variform check' ended with exit code {} and without a result. "
                    "To see why: {}",
                    guest.label, *trial.failed_with, command_for(guest)));
  return warnings;
}

// Tries one guest unless it is remembered; returns warnings.
std::vector<std::string> try_guest(const Guest& guest, const base::Remembered& remembered, double seconds,
                                   base::Log& log) {
  const KeptTrial kept = recall(remembered, guest.key);
  if (kept.done) return kept.warnings;
  const auto begin = GuestClock::now();
  const Trial trial = tried(guest, seconds);
  if (!trial.failures.empty()) refuse(guest, trial.failures);
  std::vector<std::string> warnings = warnings_of(guest, trial);
  if (trial.failed_with) return warnings;
  const std::int64_t attempts = kept.attempts + 1;
  keep(remembered, guest.key, {trial.late + trial.blocked == 0 || attempts >= kAttempts, attempts, warnings});
  log.info(fmt::format(
      "tried before its first training: {}, {} tests passed in {} s", guest.label, trial.passed,
      config::format_plain(std::round(10 * std::chrono::duration<double>(GuestClock::now() - begin).count()) /
                           10)));
  return warnings;
}

}  // namespace

std::vector<std::string> try_guests(const Tried& tried_with, const plugins::Registry& registry,
                                    base::Log& log) {
  const std::vector<Guest> guests = guests_of(tried_with, registry);
  if (guests.empty()) return {};
  const base::Remembered remembered("checked");
  const base::Remembered::Turn turn(remembered, /*seconds=*/10);  // cells of a study start at once
  const double before = base::seconds_of_children();
  std::vector<std::string> warnings;
  for (const Guest& guest : guests)
    for (std::string& warning :
         try_guest(guest, remembered, kQuickSeconds - (base::seconds_of_children() - before), log))
      warnings.push_back(std::move(warning));
  return warnings;
}

}  // namespace variform::conformance
