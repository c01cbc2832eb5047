// See exchange.h.

#include "export/exchange.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/contents.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/quote.h"
#include "base/whole_file.h"
#include "checkpoint/snapshot.h"
#include "config/load.h"
#include "export/safetensors.h"
#include "model/checkpoints.h"
#include "model/run_config.h"
#include "model/run_folder.h"
#include "model/session.h"

namespace variform::exports {
namespace fs = std::filesystem;
namespace {

using base::JsonValue;

// A cell of a table in Markdown.
std::string cell(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

std::string row(const std::string& name, const std::string& text) {
  return text.empty() ? std::string() : "| " + name + " | " + cell(text) + " |\n";
}

// Reads a file of a run's folder, which may be missing or have been changed; then it says nothing.
template <class Read>
std::string from_json(const fs::path& file, const Read& read) {
  if (!base::is_there(file)) return {};
  try {
    const base::JsonFile json(file);
    return read(json.root());
  } catch (const base::JsonError&) {
    return {};
  }
}

std::string command_of(const fs::path& run) {
  return from_json(run / "environment.json", [](const JsonValue& root) {
    std::string command;
    for (const JsonValue& word : root.at("command").elements())
      command += (command.empty() ? "" : " ") + base::for_shell(word.text());
    return command;
  });
}

// The values of an evaluation, else those of the training's last one.
std::string numbers_of(const fs::path& run) {
  const std::string evaluated = from_json(run / "evaluation-test.json", [](const JsonValue& root) {
    std::string rows;
    for (const auto& [name, value] : root.at("values").members())
      if (value.raw().is_object() && value.raw().contains("mean"))
        rows += fmt::format("| `{}` (test) | {:.6g} |\n", name, value.at("mean").number());
    return rows;
  });
  if (!evaluated.empty()) return evaluated;
  return from_json(run / "DONE", [](const JsonValue& root) {
    std::string rows;
    if (const auto values = root.find("evaluation"))
      for (const auto& [name, value] : values->members())
        rows += fmt::format("| `{}` (at the training's end) | {:.6g} |\n", name, value.number());
    return rows;
  });
}

// How a value of the config is written there; nothing where it is not.
std::string written(const config::Node& config, std::initializer_list<const char*> keys) {
  const config::Node* node = &config;
  for (const char* key : keys)
    if (node) node = node->find(key);
  return node ? config::print_value(*node) : std::string();
}

std::string card(const model::OpenedRun& run, const std::string& file, const std::string& revision) {
  const config::Experiment& experiment = run.session().experiment;
  std::string text = fmt::format(
      "# {}\n\nA model trained by Variform, at step {}. `{}` has all of it, and can execute nothing.\n\n"
      "```python\nfrom safetensors.torch import load_file\n"
      "state = load_file({})  # \"encoder.network.0.weight\": …\n```\n\n"
      "In Variform: `variform import {}`, then `variform evaluate`, `sample` and the rest on the run that it makes.\n\n"
      "| | |\n|---|---|\n",
      experiment.name,
      run.trained.snapshot.tensors.contains("progress/step")
          ? std::to_string(run.trained.snapshot.tensors.at("progress/step").item<std::int64_t>())
          : std::string("unknown"),
      file, base::python_literal(file), base::for_shell(file));
  text += row("config", experiment.name + ", SHA-256 " + config::experiment_hash(experiment) + "…, seed " +
                            std::to_string(experiment.seed));
  for (const char* slot : {"encoder", "decoder", "family", "prior", "likelihood"})
    text += row(slot, "`" + written(experiment.resolved, {"model", slot}) + "`");
  text += row("objective", "`" + written(experiment.resolved, {"objective"}) + "`");
  text += row("data", "`" + written(experiment.resolved, {"data", "dataset"}) + "`, " +
                          to_text(run.session().assembly->model().data) + " each, fingerprint " +
                          run.session().facts.fingerprint);
  text += row("trained by", "`" + command_of(run.folder) + "`");
  text += row("exported by", "Variform " + revision);
  text += row("licence",
              "not stated: say here under which terms the weights may be used; the data have their own");
  const std::string numbers = numbers_of(run.folder);
  return numbers.empty() ? text : text + "\n| number | value |\n|---|---|\n" + numbers;
}

// Opens the snapshot as a model without its data, so that what does not fit is said now.
void require_model(const checkpoint::Snapshot& snapshot, const plugins::Registry& registry,
                   const model::Workplace& place, const fs::path& beside, const std::string& name) {
  const base::Temporary file(beside, base::Temporary::Kind::kName);
  if (file.error()) base::fail_on_file("write", beside, file.error());
  checkpoint::write(snapshot, file.path());
  const auto remove = [&](const fs::path* path) { fs::remove(*path); };
  const std::unique_ptr<const fs::path, decltype(remove)> removed(&file.path(), remove);
  try {
    model::open_trained(file.path(), {}, registry, place.places, model::DataUse::kNone);
  } catch (const std::runtime_error& error) {
    throw base::Error(name + ": its tensors are not those of its config: " + error.what());
  }
}

}  // namespace

std::vector<fs::path> give(const model::OpenedRun& run, const fs::path& file, const std::string& revision) {
  fs::path weights = file;
  if (weights.extension() != ".safetensors") weights += ".safetensors";
  const fs::path beside = fs::path(weights).replace_extension(".md");
  checkpoint::Snapshot snapshot = run.trained.snapshot;  // shares the tensors' memory
  snapshot.attributes.erase(model::kModelOnly);          // of the run, not of the model
  snapshot.attributes.erase(model::kReplacesConfig);
  base::commit(compose_safetensors(snapshot), weights);
  const std::string text = card(run, weights.filename().string(), revision);
  base::commit(std::as_bytes(std::span(text)), beside);
  return {weights, beside};
}

fs::path take(const fs::path& file, const std::function<fs::path(const config::Experiment&)>& folder_for,
              const model::Workplace& place) {
  checkpoint::Snapshot snapshot = parse_safetensors(base::read_file(file), file.string());
  snapshot.attributes[model::kModelOnly] = "true";
  const std::string config = snapshot.attributes.at("config");
  const model::Loaded loaded = place.load_text(config, file.string(), {});
  const fs::path folder = folder_for(loaded.experiment);
  const fs::path parent = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
  fs::create_directories(parent);
  require_model(snapshot, *loaded.registry, place, parent, file.string());
  model::RunFolder run = model::RunFolder::create(folder, config, model::IfPresent::kRefuse);
  checkpoint::write(snapshot, run.last());
  run.mark_done({{"ending", "imported"}, {"from", file.filename().string()}});
  return run.path();
}

}  // namespace variform::exports
