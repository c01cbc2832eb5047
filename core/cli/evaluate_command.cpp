// evaluate: computes numbers for a trained model.

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <span>

#include "base/file.h"
#include "base/shared_files.h"
#include "cli/console.h"
#include "cli/progress.h"
#include "cli/revision.h"
#include "cli/trained.h"
#include "measure/evaluate.h"
#include "model/checkpoints.h"
#include "train/features.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

// Returns the folder of feature networks, in the user's cache since they can be made again.
fs::path feature_cache() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if (cache && fs::path(cache).is_absolute()) return fs::path(cache) / "variform" / "features";
  if (home && fs::path(home).is_absolute()) return fs::path(home) / ".cache" / "variform" / "features";
  throw std::runtime_error(
      "there is no place to keep the feature network: neither XDG_CACHE_HOME nor HOME is an absolute path.");
}

std::string evaluation_name(const ModelOptions& options) {
  const std::string what = options.only.empty()            ? "evaluation"
                           : options.only.starts_with('{') ? "metric"
                                                           : options.only;
  return what + "-" + options.evaluate.split;
}

// Returns the metrics that the options name, with their parameters.
std::vector<config::ComponentSpec> chosen_metrics(const ModelOptions& options,
                                                  const plugins::Registry& registry) {
  config::Diagnostics diagnostics;
  std::vector<config::ComponentSpec> metrics;
  const auto add = [&](const std::string& text, const char* option) {
    metrics.push_back(config::parse_component(text, option, Kind::kMetric, registry, diagnostics).component);
  };
  for (const std::string& metric : options.metrics) add(metric, "--metric");
  if (!options.only.empty()) add(options.only, "--only");
  diagnostics.throw_if_any();
  return metrics;
}

int write_evaluation(const Common& common, const ModelOptions& options, const Opened& opened,
                     nlohmann::json result, const std::string& text) {
  result["run"] = options.run;
  result["checkpoint"] = options.which;
  result["commit"] = revision();
  result["plugins"] = model::plugin_digests(*opened.run.registry);
  result["data_fingerprint"] = opened.session().facts.fingerprint;
  const fs::path file =
      destination(common, options, named(opened, options, evaluation_name(options)) + ".json");
  const std::string dumped = json_text(result) + "\n";
  if (result.contains("interrupted")) {
    write_result(common.json ? dumped : text);
    common.log.info("interrupted: what is complete was printed, and nothing was written");
    return kInterrupted;
  }
  const int problem = base::try_write_file(file, std::as_bytes(std::span(dumped)));
  write_result(common.json ? dumped : text);  // also when the file could not be written: the result took long
  if (problem != 0) base::fail_on_file("write", file, problem, "--out FILE");
  common.log.info("written: " + file.string());
  return kDone;
}

nlohmann::json evaluation_of(const Common& common, const ModelOptions& options, Opened& opened) {
  if (options.only.empty()) use_prior(common, opened, options);
  Console console(common, common.log);
  const model::Workplace place = common.workplace();
  Progress progress(common);
  measure::EvaluateOptions evaluate = options.evaluate;
  evaluate.watch = watch_with(progress);
  evaluate.registry = opened.run.registry.get();
  evaluate.metrics = chosen_metrics(options, *opened.run.registry);
  if (options.linear) evaluate.asked["linear"];
  if (options.gradient_draws > 0) evaluate.asked["gradient-draws"] = std::to_string(options.gradient_draws);
  if (options.quality_images > 0) evaluate.asked["quality"] = std::to_string(options.quality_images);
  evaluate.network = [&] {
    const fs::path config = options.features.empty()
                                ? base::shared_folder("configs") / "features" / "conv.toml"
                                : fs::path(options.features);
    return train::feature_network(opened.session(), {config, feature_cache(), *opened.run.registry,
                                                     place.places, common.log, console, interrupted});
  };
  nlohmann::json result = options.only.empty() ? measure::evaluate(opened.session(), evaluate)
                                               : measure::evaluate_metrics(opened.session(), evaluate);
  if (opened.ex_post) {
    result["ex_post"] = opened.ex_post->json();
    result["ex_post"]["sentence"] = opened.ex_post->sentence();
  }
  return result;
}

// Looks at once whether the result can be kept. A run may be somebody else's, so that what can only be printed is no
// error yet; a place that the user names is one to be named rightly.
void look_at_place(const Common& common, const ModelOptions& options) {
  const base::PlannedFile planned{.bytes = 1 << 14};  // at least
  const fs::path file = destination(common, options, evaluation_name(options) + ".json");
  if (!options.out.empty()) return base::require_writable(file, planned);
  const std::string why = base::why_not_writable(file, planned);
  if (!why.empty()) common.log.warning(why + ". The result will be printed, and not kept.");
}

int evaluate_command(const Common& common, ModelOptions options) {
  options.evaluate.split = split_of(options);
  if (!options.dump.empty()) options.dump = chosen(options.dump).string();
  options.evaluate.dump = options.dump;
  if (options.beta >= 0) options.evaluate.beta = options.beta;
  options.evaluate.curvature = curvature_named(options.curvature);
  look_at_place(common, options);
  if (!options.dump.empty()) base::require_writable(options.dump, {.option = "--dump"});
  Opened opened = open(common, options);
  watch_signals();  // until here there is nothing to keep, and Ctrl-C ends the process at once
  try {
    nlohmann::json result = evaluation_of(common, options, opened);
    for (const nlohmann::json& warning : result.value("warnings", nlohmann::json::array()))
      common.log.warning(warning.get<std::string>());
    result.erase("warnings");
    const std::string problem = result.value("dump_problem", "");
    result.erase("dump_problem");
    const std::string text = measure::text_of(result, output_width());
    result.erase("values_order");
    const int code = write_evaluation(common, options, opened, std::move(result), text);
    if (!problem.empty()) throw std::runtime_error(problem);
    return code;
  } catch (const base::Interrupted&) {
    return interrupted_with_nothing(common);
  }
}

}  // namespace

void add_evaluate_command(Command app, Common& common, Action& action) {
  ModelCommand model =
      add_model_command(app, common, action, "evaluate",
                        "All objective values with standard errors, to a table and JSON", evaluate_command);
  add_evaluate_options(model);
}

}  // namespace variform::cli
