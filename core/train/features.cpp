// See features.h. Trainer trains the network in a run folder like any other; this file decides where that folder is and
// when its content may be used.

#include "train/features.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "base/file.h"
#include "base/json_file.h"
#include "base/lock.h"
#include "base/sha256.h"
#include "base/watch.h"
#include "checkpoint/snapshot.h"
#include "config/load.h"
#include "model/checkpoints.h"
#include "model/process.h"
#include "model/run_folder.h"
#include "model/session.h"
#include "plugins/plugin_log.h"
#include "train/run_log.h"
#include "train/trainer.h"

namespace variform::train {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

// Returns the network's experiment on the evaluated model's data: the same files and splits, but with images scaled as
// the network's config says, so that models of standardised or binarised data are measured like the others.
config::Experiment experiment_for(const model::Session& session, const FeatureSource& source) {
  config::Diagnostics diagnostics;
  config::Node root = config::load({source.config.string()}, {}, diagnostics);
  diagnostics.throw_if_any();
  if (!root.find("data")) root.set("data", config::Node::table());
  const config::Node& evaluated = *session.experiment.resolved.find("data");
  for (const char* key : {"dataset", "train_split", "test_split", "channels"})
    root.find("data")->set(key, *evaluated.find(key));
  config::Experiment experiment =
      model::resolve_experiment(root, source.registry, source.places, diagnostics);
  experiment.train.device = session.options.device().str();
  return experiment;
}

[[noreturn]] void refuse(const FeatureSource& source, const Error& error) {
  throw Unsupported("the feature network of " + source.config.filename().string() +
                    " does not fit the data: " + error.what());
}

std::unique_ptr<model::Session> open(const model::Session& session, const FeatureSource& source) {
  const data::Splits& splits = session.splits;
  if (!splits.train.labels().defined() || (splits.test.size() > 0 && !splits.test.labels().defined()))
    throw Unsupported("the data have no labels, which the classifier is trained on");
  config::Experiment experiment = experiment_for(session, source);
  try {
    return model::open_session(std::move(experiment), source.registry, source.places);
  } catch (const Error& error) {
    refuse(source, error);
  }
}

std::string key_of(const model::Session& network) {
  base::Sha256 sum;
  sum.update(fmt::format("{} {}", config::experiment_hash(network.experiment), network.experiment.seed));
  for (const data::Dataset* split : {&network.splits.train, &network.splits.test}) {
    if (split->is_in_place()) sum.update(network.splits.fingerprint + " " + std::to_string(split->size()));
    else model::add_to(sum, split->stored());
    model::add_to(sum, split->labels());
  }
  return network.experiment.name + "-" + sum.hex().substr(0, 16);
}

// The threads of a training, and afterwards those of before.
class Threads {
 public:
  Threads(std::int64_t wanted, base::Log& log) : before_(at::get_num_threads()) {
    if (wanted > 0) model::set_threads(wanted, log);
  }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

// Loads the network of a finished training, and returns its evaluation; nothing if there is none that may be used.
std::optional<json> loaded(model::Session& network, const fs::path& folder, const FeatureSource& source) {
  if (!fs::exists(folder / "DONE")) return {};
  try {
    const checkpoint::Snapshot snapshot = checkpoint::read(model::checkpoint_of(folder));
    const std::string changes = model::changed_plugins(snapshot, source.registry);
    if (!changes.empty()) throw std::runtime_error(changes);
    network.assembly->load(snapshot.tensors, network.assembly->kinds());
    network.assembly->set_training(false);
    const base::JsonFile done(folder / "DONE");
    const base::JsonValue evaluation = done.root().at("evaluation");
    for (const auto& [name, value] : evaluation.members()) value.number();
    return evaluation.raw();
  } catch (const std::exception& error) {
    source.log.info("the feature network in " + folder.string() +
                    " is trained again, since it cannot be used: " + error.what());
    return {};
  }
}

void train_in(const fs::path& folder, model::Session& network, const FeatureSource& source) {
  const config::Experiment& experiment = network.experiment;
  const Threads threads(experiment.train.threads, source.log);
  network.preflight(source.registry);
  source.log.info("training the feature network '" + experiment.name + "' on " + network.splits.name +
                  ", once: it is kept in " + folder.string());
  const auto started = std::chrono::steady_clock::now();
  model::RunFolder run =
      model::RunFolder::create(folder, config::print(experiment.resolved), model::IfPresent::kOverwrite);
  RunLog log(source.log, run);
  const plugins::PluginLog plugin_log(log);
  train::Trainer trainer(experiment.train, network.horizon, model::attributes_of(network, source.registry),
                         *network.assembly, *network.batches, run, log, source.observer);
  const train::Outcome outcome = trainer.run(
      std::numeric_limits<std::int64_t>::max(),
      source.interrupted ? source.interrupted : [] { return false; });
  if (outcome.ending == train::Ending::kInterrupted) throw base::Interrupted("interrupted");
  run.mark_done({{"step", outcome.step}, {"ending", "finished"}, {"evaluation", outcome.evaluation}});
  const auto spent = std::chrono::steady_clock::now() - started;
  source.log.info(fmt::format("trained the feature network in {} s",
                              std::chrono::duration_cast<std::chrono::seconds>(spent).count()));
}

// Returns the parts of its loss, whichever its objective has: "test accuracy 0.991, nll 0.029".
std::string parts_in_words(const json& evaluation, const std::string& split) {
  std::string text;
  for (const auto& [name, value] : evaluation.items()) {
    if (name == "loss") continue;
    text += fmt::format("{}{} {:.4g}", text.empty() ? split + " " : ", ", name, value.get<double>());
  }
  return text;
}

}  // namespace

model::FeatureNetwork feature_network(const model::Session& session, const FeatureSource& source) {
  std::unique_ptr<model::Session> network = open(session, source);
  std::error_code failed;
  fs::create_directories(source.cache, failed);
  if (failed)
    throw std::runtime_error("cannot create the folder " + source.cache.string() +
                             ", which keeps feature networks: " + failed.message());
  const fs::path folder = source.cache / key_of(*network);
  const fs::path lock_file = folder.string() + ".lock";
  const base::FileLock lock =
      base::FileLock::take(lock_file, base::FileLock::After::kStays, [&](const base::Holder& holder) {
        source.log.info("waiting for " + holder.sentence() + ", which trains the feature network");
      });
  if (!lock.is_real()) source.log.warning(base::no_locks(lock_file));
  std::optional<json> evaluation = loaded(*network, folder, source);
  if (!evaluation) {
    try {
      train_in(folder, *network, source);
    } catch (const Error& error) {
      refuse(source, error);
    }
    evaluation = loaded(*network, folder, source);
    if (!evaluation)
      throw std::runtime_error("the feature network in " + folder.string() + " cannot be read.");
  }
  const std::string description = "classifier " + network->experiment.name + " of " + network->splits.name +
                                  ", " + parts_in_words(*evaluation, network->batches->evaluation_split());
  return {std::move(network), description};
}

}  // namespace variform::train
