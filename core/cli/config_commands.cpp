// config print, and `check` of a config.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "config/load.h"
#include "train/trainer.h"

namespace variform::cli {
namespace {

int print_command(const Common& common, const std::vector<std::string>& arguments, bool origin) {
  const ConfigArguments split = split_arguments(arguments);
  const model::Loaded loaded = common.workplace().load(split.files, split.overrides);
  write_result(config::print(loaded.experiment.resolved, origin));
  return kDone;
}

}  // namespace

// Builds a config, runs one step on two rows, and shows sizes.
int check_config(const Common& common, const std::vector<std::string>& arguments) {
  const ConfigArguments split = split_arguments(arguments);
  if (split.files.empty())
    throw config::Error("check needs a config file; try: variform check configs/quickstart.toml");
  const model::Workplace place = common.workplace();
  model::Loaded loaded = place.load(split.files, split.overrides);
  const train::Composed composed =
      train::compose(std::move(loaded.experiment), *loaded.registry, place.places);
  const auto& [session, preflight, judging] = composed;
  nlohmann::json result = {{"data",
                            {{"name", session->splits.name},
                             {"rows", session->batches->size()},
                             {"shape", session->assembly->model().data},
                             {"domain", session->domain}}},
                           {"latent", session->experiment.latent},
                           {"steps", session->horizon},
                           {"kl", preflight.closed_kl ? "closed form" : "Monte Carlo"},
                           {"best", {{"part", judging.part}, {"judged_from", judging.from}}}};
  if (!preflight.findings.empty()) result["warnings"] = preflight.findings;
  if (!preflight.notes.empty()) result["notes"] = preflight.notes;
  int64_t total = 0;
  for (Kind kind : session->assembly->kinds()) {
    int64_t count = 0;
    for (const Tensor& parameter : session->assembly->model().component(kind)->parameters())
      count += parameter.numel();
    total += count;
    result["slots"][to_string(kind)] = {{"component", session->assembly->model().label(kind)},
                                        {"parameters", count}};
  }
  const int64_t bytes = session->options.dtype().toScalarType() == at::kDouble ? 8 : 4;
  result["parameters"] = total;
  result["memory_megabytes"] = {{"parameters", static_cast<double>(total * bytes) / 1e6},
                                {"with_gradient_and_adam", static_cast<double>(4 * total * bytes) / 1e6}};
  if (preflight.tier != PushforwardTier::kUndecided)
    result["pushforward"] = {{"tier", to_string(preflight.tier)},
                             {"gradient_error", preflight.tangent_error},
                             {"piecewise_linear", preflight.piecewise_linear}};
  if (const auto beta = train::effective_beta(session->assembly->model())) result["beta_eff"] = *beta;
  if (common.json) {
    write_result(json_text(result));
    return kDone;
  }
  std::string text;
  for (const std::string& note : session->splits.notes) text += "note: " + note + "\n";
  text += fmt::format("data: {}, {} rows of {}, {}\n", session->splits.name, session->batches->size(),
                      to_text(session->assembly->model().data), session->domain);
  for (const auto& [slot, entry] : result["slots"].items())
    text += fmt::format("{}: {}, {} parameters\n", slot, entry["component"].get<std::string>(),
                        entry["parameters"].get<int64_t>());
  text += fmt::format("{:.1f} MB of parameters, {:.1f} MB with gradients and Adam's moments\n",
                      static_cast<double>(total * bytes) / 1e6, static_cast<double>(4 * total * bytes) / 1e6);
  for (const std::string& finding : preflight.findings) text += "warning: " + finding + "\n";
  for (const std::string& note : preflight.notes) text += "note: " + note + "\n";
  text += "KL divergence: " + result["kl"].get<std::string>() + "\n";
  if (preflight.tier != PushforwardTier::kUndecided)
    text += fmt::format("pushforward: {}; gradient against central differences: {:.1e}\n",
                        to_string(preflight.tier), preflight.tangent_error);
  text += fmt::format("one step on two rows ran; the training would take {} steps\n", session->horizon);
  write_result(text);
  return kDone;
}

void add_config_commands(Command app, Common& common, Action& action) {
  auto arguments = std::make_shared<std::vector<std::string>>();
  auto origin = std::make_shared<bool>(false);
  Command config = app.add_command("config", "Look at configs");
  config.require_command();
  Command print = config.add_command("print", "The resolved config, with all defaults");
  print.add_option("config", *arguments, "CONFIG.toml [more.toml...] [a.b=VALUE...]").required();
  print.add_flag("--origin", *origin, "Say where each line came from");
  print.on_chosen([&common, &action, arguments, origin] {
    action = [&common, arguments, origin] { return print_command(common, *arguments, *origin); };
  });
}

}  // namespace variform::cli
