// See describe_run.h.

#include "model/describe_run.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <system_error>

#include <fmt/format.h>
#include <variform/types.h>

#include "base/contents.h"
#include "base/json_file.h"
#include "base/table.h"
#include "base/words.h"
#include "checkpoint/snapshot.h"
#include "config/load.h"
#include "config/run_environment.h"
#include "config/run_metrics.h"
#include "model/checkpoints.h"
#include "model/data_facts.h"
#include "model/past_runs.h"
#include "model/run_config.h"
#include "model/run_status.h"

namespace variform::model {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

// Reads a JSON file of a run folder. Returns null when it is missing, or cannot be understood, which is then a problem.
json json_in(const fs::path& file, json& problems) {
  if (!base::is_there(file)) return nullptr;
  try {
    const base::JsonFile found(file);
    if (!found.root().raw().is_object()) found.root().fail("an object");
    return found.root().raw();
  } catch (const base::JsonError& error) {
    problems.push_back(error.what());
    return nullptr;
  }
}

// The last line of metrics.jsonl for each split.
json last_metrics(const fs::path& run, json& problems) {
  json last = json::object();
  const base::SealedLines metrics = config::metrics_of(run);
  if (const std::string problem = metrics.sentence(run / "metrics.jsonl"); !problem.empty())
    problems.push_back(problem);
  for (const json& line : metrics.lines) last[line.at("split").get<std::string>()] = line;
  return last;
}

json evaluations_in(const fs::path& run) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(run, none))
    if (const std::string name = entry.path().filename().string();
        entry.path().extension() == ".json" && name.starts_with("evaluation-"))
      names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

// Returns a config's tables as JSON; schedules and components inside are tables, too.
json json_of(const config::Node& node) {
  if (const bool* flag = node.if_flag()) return *flag;
  if (const std::int64_t* integer = node.if_integer()) return *integer;
  if (const double* number = node.if_number()) return *number;
  if (const std::string* text = node.if_text()) return *text;
  json result = node.if_array() ? json::array() : json::object();
  if (const config::Node::Array* array = node.if_array())
    for (const config::Node& element : *array) result.push_back(json_of(element));
  for (const config::Node::Member& member : node.members()) result[member.key] = json_of(member.value);
  return result;
}

const config::Node& table_in(const config::Node& node, const char* key) {
  static const config::Node kNone;
  const config::Node* found = node.find(key);
  return found ? *found : kNone;
}

json data_json(const checkpoint::Snapshot& snapshot, const config::Node& config) {
  json result = {{"shape", shape_of(snapshot)}, {"domain", snapshot.attributes.at("data_domain")}};
  const config::Node* dataset = table_in(config, "data").find("dataset");
  if (dataset && dataset->if_text()) result["name"] = *dataset->if_text();
  const std::optional<DataFacts> facts = facts_in(snapshot.attributes);
  if (!facts) return result;
  result["name"] = facts->name.empty() ? "drawn afresh from a model" : facts->name;
  result["rows"] = {
      {"train", facts->rows}, {"validation", facts->validation_rows}, {"test", facts->test_rows}};
  result["standardised"] = facts->mean.defined();
  result["class_names"] = facts->class_names;
  result["factor_names"] = facts->factor_names;
  if (facts->condition.size > 0)
    result["condition"] = {{"on", facts->condition.on}, {"size", facts->condition.size}};
  if (facts->has_missing) result["missing"] = true;
  return result;
}

json best_json(const checkpoint::Snapshot& snapshot, const config::Node& config) {
  const auto tensor = [&](const char* name) { return snapshot.tensors.find(name); };
  const auto value = tensor("progress/best"), step = tensor("progress/best_step");
  if (value == snapshot.tensors.end() || step == snapshot.tensors.end() || step->second.item<int64_t>() < 0)
    return nullptr;
  const config::Node& train = table_in(config, "train");
  const config::Node* part = table_in(train, "early_stopping").find("part");
  if (!part) part = train.find("best");
  return {{"by", part && part->if_text() ? *part->if_text() : "loss"},
          {"value", value->second.item<double>()},
          {"step", step->second.item<int64_t>()}};
}

json plugins_json(const checkpoint::Snapshot& snapshot) {
  const base::JsonFile file(snapshot.attributes.at("plugins"), "the checkpoint's attribute plugins");
  for (const base::JsonValue& plugin : file.root().elements())
    for (const char* key : {"id", "version", "sha256"}) plugin.at(key).text();
  return file.root().raw();
}

// ------------------------------------------------------------------------------------------------- for a person

// "mlp: hidden = [512, 512], activation = "relu""
std::string component_words(const base::JsonValue& component) {
  const auto type = component.find("type");
  std::string text = type ? type->text() : "?";
  bool first = true;
  for (const auto& [key, value] : component.members()) {
    if (key == "type" || key == "plugin") continue;
    text += (first ? ": " : ", ") + key + " = " + value.raw().dump();
    first = false;
  }
  return text;
}

std::string data_words(const json& data) {
  std::string text = data.value("name", "a description in the config");
  if (data.contains("rows")) {
    const json& rows = data.at("rows");
    text += ", " + rows.at("train").dump() + " training rows, " + rows.at("validation").dump() +
            " for validation, " + rows.at("test").dump() + " for testing";
  }
  text += "; an example is " + to_text(data.at("shape").get<Shape>()) + " (" +
          data.at("domain").get<std::string>() + ")";
  if (data.value("standardised", false)) text += ", standardised";
  if (const size_t count = data.value("class_names", json::array()).size(); count > 0)
    text += fmt::format("; {} classes", count);
  if (const json names = data.value("factor_names", json::array()); !names.empty())
    text += "; factors " + names.dump();
  if (data.contains("condition"))
    text += "; condition: " + data.at("condition").at("on").get<std::string>() + " (" +
            data.at("condition").at("size").dump() + " numbers)";
  if (data.value("missing", false)) text += "; values are missing";
  return text;
}

std::string metric_words(const json& line) {
  std::map<std::string, double> values;
  for (const auto& [name, value] : line.items())
    if (value.is_number() && name != "step" && name != "epoch") values[name] = value.get<double>();
  return "step " + line.value("step", json()).dump() + ": " + base::values_text(values);
}

std::string training_words(const json& step, const base::JsonValue& train) {
  std::string text = "at step " + step.dump();
  for (const char* key : {"steps", "epochs", "batch", "precision"})
    if (const auto value = train.find(key)) text += std::string(", ") + key + " = " + value->raw().dump();
  return text;
}

std::string environment_words(const json& described) {
  std::string text = "LibTorch " + described.at("libtorch").get<std::string>();
  const json& environment = described.at("environment");
  if (!environment.is_object()) return text;
  for (const char* key : {"program", "commit", "device", "threads"})
    if (environment.contains(key) && !environment.at(key).is_null()) {
      const json& value = environment.at(key);
      text += std::string(", ") + key + " " + (value.is_string() ? value.get<std::string>() : value.dump());
    }
  return text;
}

}  // namespace

json described(const fs::path& run) {
  const fs::path file = checkpoint_of(run);
  const checkpoint::Snapshot snapshot = checkpoint::read(file);
  for (const char* name : {"config", "config_hash", "data_shape", "data_domain", "plugins", "libtorch"})
    if (!snapshot.attributes.contains(name)) throw Error(file.string() + " was not written by a training.");
  config::Diagnostics diagnostics;
  const config::Node config =
      config::parse(snapshot.attributes.at("config"), "config in the checkpoint", diagnostics);
  diagnostics.throw_if_any();
  json problems = json::array();
  if (fs::is_directory(run)) {
    if (const std::string warning = config_warning(run, snapshot, "last"); !warning.empty())
      problems.push_back(warning);
    for (const std::string& problem : config::environment_of(run).problems) problems.push_back(problem);
  }
  const RunStatus status = fs::is_directory(run) ? run_status(run) : RunStatus{"a checkpoint", "", ""};
  if (!status.problem.empty()) problems.push_back(status.problem);
  json ignored;  // environment_of() has said it
  json result = {{"run", run.string()},
                 {"status", status.word == "done" ? status.ending : status.word},
                 {"reason", status.reason},
                 {"config", json_of(config)},
                 {"config_hash", snapshot.attributes.at("config_hash")},
                 {"data", data_json(snapshot, config)},
                 {"step", nullptr},
                 {"best", best_json(snapshot, config)},
                 {"plugins", plugins_json(snapshot)},
                 {"libtorch", snapshot.attributes.at("libtorch")},
                 {"metrics", last_metrics(run, problems)},
                 {"evaluations", evaluations_in(run)},
                 {"environment", json_in(run / "environment.json", ignored)}};
  result["problems"] = problems;
  if (const auto step = snapshot.tensors.find("progress/step"); step != snapshot.tensors.end())
    result["step"] = step->second.item<int64_t>();
  return result;
}

std::string text_of_run(const json& described) {
  constexpr size_t kColumn = 14;
  std::string text;
  const auto add = [&](const std::string& what, const std::string& words) {
    text += what + std::string(what.size() < kColumn ? kColumn - what.size() : 1, ' ') + words + "\n";
  };
  const auto run = described.at("run").get<std::string>(), where = run + ", config in the checkpoint";
  const base::JsonValue config(described.at("config"), where);
  add("run", run + " (" + described.at("status").get<std::string>() + ")");
  if (const auto reason = described.at("reason").get<std::string>(); !reason.empty()) add("why", reason);
  const auto label = config.find("name"), seed = config.find("seed");
  add("name", (label ? label->text() : "") + ", seed " + (seed ? seed->raw().dump() : "1") + ", config " +
                  described.at("config_hash").get<std::string>());
  add("data", data_words(described.at("data")));
  const base::JsonValue model = config.at("model");
  add("latent", model.at("latent").raw().dump());
  for (const char* slot : {"encoder", "family", "prior", "decoder", "likelihood"})
    if (const auto component = model.find(slot)) add(slot, component_words(*component));
  add("objective", component_words(config.at("objective")));
  add("training", training_words(described.at("step"), config.at("train")));
  if (const json& best = described.at("best"); best.is_object())
    add("best", "step " + best.at("step").dump() + " by " + best.at("by").get<std::string>() + ", " +
                    base::significant(best.at("value").get<double>(), 5));
  for (const auto& [split, line] : described.at("metrics").items()) add("last " + split, metric_words(line));
  for (const json& name : described.at("evaluations")) add("evaluated", name.get<std::string>());
  for (const json& plugin : described.at("plugins"))
    add("plugin", plugin.at("id").get<std::string>() + " " + plugin.at("version").get<std::string>() + " (" +
                      plugin.at("sha256").get<std::string>().substr(0, 12) + ")");
  add("made with", environment_words(described));
  for (const json& problem : described.at("problems")) add("problem", problem.get<std::string>());
  return text;
}

bool is_run(const fs::path& path) {
  std::error_code none;
  return is_run_folder(path) || (path.extension() == ".h5" && fs::is_regular_file(path, none));
}

}  // namespace variform::model
