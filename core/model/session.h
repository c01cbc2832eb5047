#pragma once
// Opens a resolved experiment: device, precision, data, model. Every command that needs a model comes through here.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/snapshot.h"
#include "config/experiment.h"
#include "model/assembly.h"
#include "model/batches.h"
#include "model/data_facts.h"
#include "model/preflight.h"
#include "plugins/registry.h"

namespace variform::model {

/// The folders in which data and their descriptions are looked for.
struct Places {
  std::vector<std::filesystem::path> data;         ///< --data, VARIFORM_DATA, Debian's
  std::vector<std::filesystem::path> descriptors;  ///< folders of NAME.toml
  double memory = 0;                               ///< --memory: GB that data may take; 0: as the config says
};

/// Resolves a merged config and completes the slots that are taken from other runs. Throws all errors at once,
/// including those of reading (config::Error).
config::Experiment resolve_experiment(const config::Node& root, const plugins::Registry& registry,
                                      const Places& places, config::Diagnostics& diagnostics);

/// The number of updates in a training on `size` rows.
int64_t horizon_of(const config::TrainSpec& spec, int64_t size);

/// Device and dtype that a training asks for. Throws std::runtime_error when there is no such device.
at::TensorOptions tensor_options(const config::TrainSpec& spec);

/// Data and model of an experiment.
struct Session {
  config::Experiment experiment;
  at::TensorOptions options;
  data::Splits splits;  ///< empty when every batch is drawn afresh, and without data
  DataFacts facts;      ///< of the data, or of those that the model was trained on if there are none
  std::string domain;   ///< of the data
  std::unique_ptr<Batches> batches;  ///< null: the model was opened without data
  int64_t horizon = 0;               ///< steps of the whole training
  int64_t examples = 0;              ///< number of training rows that components asked for
  std::unique_ptr<Assembly>
      trained;  ///< the model as trained, when `assembly` has a prior fitted ex post; else null
  std::unique_ptr<Assembly> assembly;

  /// Rows for a preflight.
  Batch rows(int64_t n);
  Preflight preflight(const plugins::Registry& registry);
};

/// Drops every `from` of a slot, or of a component inside one, for models whose tensors come from a checkpoint: the
/// other run may be gone.
void forget_sources(config::Experiment& experiment);

/// Loads the data, builds the model, loads components that are `from` other runs, and checks the composition. `trained`:
/// the condition that the model was trained with, for one that was; may be null.
std::unique_ptr<Session> open_session(config::Experiment experiment, const plugins::Registry& registry,
                                      const Places& places, const data::Condition* trained = nullptr);

/// The attributes of a run's checkpoints.
std::map<std::string, std::string> attributes_of(const Session& session, const plugins::Registry& registry);

/// Whether work on a trained model needs the run's data, works better with them, or has no use for them.
enum class DataUse { kNeeded, kIfThere, kNone };

/// A trained model: the session of a checkpoint's own config with its tensors loaded. `overrides` may change what
/// does not change the model (device, precision, data split …); whoever overrides [data] needs data.
struct Trained {
  std::unique_ptr<Session> session;
  checkpoint::Snapshot snapshot;
  std::string no_data;  ///< kIfThere: a sentence that says why there are no data; empty: there are
};
/// Opens a trained model. Without data, Session::batches is null. Throws std::runtime_error when data are needed and
/// missing; they are also needed when an older program wrote the checkpoint without facts about them.
Trained open_trained(const std::filesystem::path& checkpoint, const std::vector<std::string>& overrides,
                     const plugins::Registry& registry, const Places& places, DataUse use = DataUse::kNeeded);

}  // namespace variform::model
