// See work.h.

#include "python/work.h"

#include <torch/custom_class.h>

#include <variform/descriptor.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "config/load.h"
#include "conformance/run.h"
#include "measure/evaluate.h"
#include "model/checkpoints.h"
#include "python/call.h"
#include "python/components.h"
#include "python/messages.h"
#include "python/words.h"
#include "train/run.h"

namespace variform::python {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

// Hands on what a training says to an object of Python's.
class ToPython final : public train::Observer {
 public:
  explicit ToPython(std::int64_t object) : object_(object) {}
  void stepped(std::int64_t step, std::int64_t horizon,
               const std::map<std::string, double>& values) override {
    tell_messages();
    if (!values.empty() || step == horizon) tell("stepped", {step, horizon}, {{"values", values}});
  }
  void evaluated(std::int64_t step, const std::string& split, const std::map<std::string, double>& values,
                 bool best) override {
    tell("evaluated", {step}, {{"split", split}, {"values", values}, {"best", best}});
  }

 private:
  void tell(const char* function, std::vector<std::int64_t> numbers, const json& what) const {
    call(object_, function, {.numbers = std::move(numbers), .text = what.dump()});
  }
  void tell_messages() const {
    for (const std::string& message : messages().take()) call(object_, "said", {.text = message});
  }

  std::int64_t object_;
};

// As Workplace::load(), with Python's classes among the plugins.
model::Loaded load(const Surroundings& surroundings, const model::Workplace& place,
                   const std::vector<std::string>& files, const std::vector<std::string>& overrides) {
  config::Diagnostics diagnostics;
  std::vector<config::Dropped> dropped;
  const config::Node root = config::load(files, overrides, diagnostics, dropped);
  model::Loaded loaded;
  loaded.registry = registry_of(surroundings, model::plugin_paths_in(root));
  loaded.experiment = model::resolve_experiment(root, *loaded.registry, place.places, diagnostics);
  for (const std::string& note : config::notes_of(dropped, loaded.experiment.resolved)) place.log.note(note);
  return loaded;
}

model::IfPresent if_present_named(const std::string& name) {
  if (name == "resume") return model::IfPresent::kResume;
  return name == "overwrite" ? model::IfPresent::kOverwrite : model::IfPresent::kRefuse;
}

// The options that Python may give, each of which sets something. An unknown one is refused with the names of all.
using Setters = std::map<std::string, std::function<void(const json&)>>;
void set_options(const json& given, const Setters& setters, const char* what) {
  for (const auto& [name, value] : given.items()) {
    const auto found = setters.find(name);
    if (found == setters.end()) {
      std::string names;
      for (const auto& [known, _] : setters) names += (names.empty() ? "" : ", ") + known;
      throw Error(fmt::format("{} has no option '{}' for a model with components in Python; it has {}.", what,
                              name, names));
    }
    try {
      found->second(value);
    } catch (const json::exception&) {
      throw Error(fmt::format("{}: option '{}' cannot be {}.", what, name, value.dump()));
    }
  }
}

template <class Value>
std::function<void(const json&)> into(Value& target) {
  return [&target](const json& value) { target = value.get<Value>(); };
}

std::vector<config::ComponentSpec> metrics_named(const std::vector<std::string>& names,
                                                 const plugins::Registry& registry) {
  config::Diagnostics diagnostics;
  std::vector<config::ComponentSpec> metrics;
  for (const std::string& name : names)
    metrics.push_back(
        config::parse_component(name, "metric", Kind::kMetric, registry, diagnostics).component);
  diagnostics.throw_if_any();
  return metrics;
}

std::vector<std::string> texts_in(const json& value) {
  if (value.is_string()) return {value.get<std::string>()};
  return value.get<std::vector<std::string>>();
}

}  // namespace

Surroundings surroundings_of(const std::string& text) {
  const json given = json::parse(text);
  return {given.at("program"), given.at("plugins"), given.at("data"), given.at("descriptors"),
          given.at("classes")};
}

std::string train(const Surroundings& surroundings, const std::string& asked) {
  const UnchangedProcess unchanged;
  const json given = json::parse(asked);
  const model::Workplace place = workplace_of(surroundings);
  model::Loaded loaded = load(surroundings, place, given.at("configs"), given.at("overrides"));
  const std::string named = given.at("folder");
  const fs::path folder = named.empty()
                              ? train::folder_of(loaded.experiment, given.at("runs").get<std::string>())
                              : fs::path(named);
  const std::int64_t observer = given.at("observer");
  train::RunOptions options;
  options.threads = given.at("threads");
  options.accept_changed_plugins = given.at("accept_changed");
  if (given.at("stop_at") >= 0) options.stop_at = given.at("stop_at");
  train::RunHost host{.place = place,
                      .origin = {{"variform.train_python"}, "", ""},
                      .observe = [&](base::Log&) { return std::make_unique<ToPython>(observer); }};
  bool is_stopped = false;
  host.interrupted = [&] {
    is_stopped = is_stopped || call(observer, "is_stopped", {}).numbers.at(0) != 0;
    return is_stopped;
  };
  host.interrupted_by = [] { return std::string("Python"); };
  train::train(std::move(loaded), folder, if_present_named(given.at("if_present")), options, host);
  return folder.string();
}

std::string evaluate(model::Session& session, const plugins::Registry& registry, const std::string& split,
                     const std::string& options) {
  measure::EvaluateOptions how;
  how.split = split;
  how.registry = &registry;
  std::vector<std::string> metrics;
  std::string only;
  const Setters setters = {
      {"samples", into(how.samples)},
      {"importance_samples", into(how.importance_samples)},
      {"batch", into(how.batch)},
      {"limit", into(how.limit)},
      {"hessian_rows", into(how.hessian_rows)},
      {"block", into(how.block)},
      {"structure", into(how.structure)},
      {"beta", [&](const json& value) { how.beta = value.get<double>(); }},
      {"curvature", [&](const json& value) { how.curvature = curvature_named(value.get<std::string>()); }},
      {"metric", [&](const json& value) { metrics = texts_in(value); }},
      {"only", into(only)},
      {"linear",
       [&](const json& value) {
         if (value.get<bool>()) how.asked["linear"];
       }},
      {"gradient_draws",
       [&](const json& value) { how.asked["gradient-draws"] = std::to_string(value.get<std::int64_t>()); }}};
  set_options(json::parse(options), setters, "evaluate");
  if (!only.empty()) metrics.push_back(only);
  how.metrics = metrics_named(metrics, registry);
  how.network = []() -> model::FeatureNetwork {
    throw Unsupported("the features of images are the program's, and this model is evaluated by Python.");
  };
  json result = only.empty() ? measure::evaluate(session, how) : measure::evaluate_metrics(session, how);
  for (const json& warning : result.value("warnings", json::array()))
    messages().warning(warning.get<std::string>());
  result.erase("warnings");
  result.erase("values_order");
  result["plugins"] = model::plugin_digests(registry);
  result["data_fingerprint"] = session.facts.fingerprint;
  return result.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string check(std::int64_t described, const std::string& options) {
  const UnchangedProcess unchanged;
  const PluginInfo& plugin = plugin_of(described);
  const ComponentInfo& component = *plugin.lists_begin->first;
  conformance::RunOptions how;
  how.in_process = true;
  bool all = false;
  std::map<std::string, json> settings;
  const Setters setters = {{"filter", into(how.filter)},    {"seed", into(how.seed)},
                           {"data", into(how.wanted.data)}, {"latent", into(how.wanted.latent)},
                           {"settings", into(settings)},    {"all", into(all)}};
  set_options(json::parse(options), setters, "check");
  auto& texts = how.settings[std::string(component.kind_name) + ":" + component.id];
  for (const auto& [name, value] : settings)
    texts[name] = value.is_string() ? value.get<std::string>() : value.dump();
  const conformance::Results results = conformance::run(plugin, how);
  json found = conformance::json_of(results);
  found["text"] = conformance::text_of(results, all);
  return found.dump(-1, ' ', false, json::error_handler_t::replace);
}

void bind_work(torch::Library& library) {
  library.def("train", [](const std::string& surroundings, const std::string& asked) {
    return in_words([&] { return train(surroundings_of(surroundings), asked); });
  });
  library.def("check", [](int64_t described, const std::string& options) {
    return in_words([&] { return check(described, options); });
  });
}

}  // namespace variform::python
