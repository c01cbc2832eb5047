#pragma once
// The validated, defaulted, typed experiment that a config describes and the engine builds and trains.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <variform/schema.h>

#include "config/node.h"
#include "config/schedule.h"

namespace variform::config {

struct ComponentSpec;

/// kNumber: double, or Schedule if the parameter is schedulable (a plain number is then a constant schedule);
/// kInteger: int64_t; kText: string; kFlag: bool; kNumbers, kIntegers: vectors; kComponent: pointer, never
/// null.
using ParameterValue = std::variant<bool, std::int64_t, double, std::string, std::vector<double>,
                                    std::vector<std::int64_t>, Schedule, std::shared_ptr<ComponentSpec>>;

/// Which fields count depends on `type`, which is one of "adam", "adamw", "sgd", "rmsprop".
struct OptimizerSpec {
  std::string type = "adam";
  Schedule lr = Schedule::constant(1e-3);
  double beta1 = 0.9, beta2 = 0.999;  ///< adam, adamw
  double eps = 1e-8;                  ///< adam, adamw, rmsprop
  double weight_decay = 0;            ///< decoupled for adamw, else added to the gradient
  double momentum = 0;                ///< sgd, rmsprop
  double alpha = 0.99;                ///< rmsprop
  bool nesterov = false;              ///< sgd
};

/// The component in a slot. The slot's own keys are `type`, `plugin`, `from`, `frozen`, `optimizer`; every other key is
/// a parameter of the component, validated and defaulted from its schema.
struct ComponentSpec {
  Kind kind = Kind::kDecoder;
  std::string type;    ///< empty only if `from` is given: then type and parameters come from the run
  std::string plugin;  ///< the id of the plugin that offers it; empty with an empty type
  std::map<std::string, ParameterValue> parameters;
  Position where;
  std::optional<std::string> from;         ///< the run or checkpoint that the component is taken from
  bool frozen = false;                     ///< not trained
  std::optional<OptimizerSpec> optimizer;  ///< its own; absent: the training's
};

/// How often something happens: every `count` steps or epochs; 0: never.
struct Every {
  std::int64_t count = 1;
  bool in_epochs = true;
  bool operator==(const Every&) const = default;
};

struct EarlyStopping {
  std::int64_t patience = 10;  ///< evaluations without improvement
  std::string part = "loss";   ///< by default the part that decides `best`
  double min_delta = 0;
};

enum class Precision { kFloat64, kFloat32, kTf32, kBfloat16 };
const char* to_string(Precision precision);

struct TrainSpec {
  std::optional<std::int64_t> epochs = 20;  ///< absent if `steps` is given
  std::optional<std::int64_t> steps;        ///< decides, if given
  std::int64_t batch = 128;
  std::int64_t shards = 1;  ///< parts of a batch that are computed by themselves
  OptimizerSpec optimizer;
  double clip_norm = 0;  ///< of the whole gradient; 0: off
  Every evaluate_every;
  Every checkpoint_every;
  std::int64_t log_every = 50;  ///< steps; 0: evaluations only
  std::optional<EarlyStopping> early_stopping;
  std::string best = "loss";  ///< the evaluated part whose least value is "best"
  Precision precision = Precision::kFloat32;
  std::string device = "auto";  ///< "auto", "cpu", "cuda" or "cuda:1"
  std::int64_t threads = 0;     ///< 0: as many as the machine has
  std::int64_t evaluation_batch = 512;
  std::int64_t evaluation_samples = 1;  ///< latent draws per example
  std::int64_t evaluation_limit = 0;    ///< examples; 0: all
};

/// `dataset = { type = "model", ... }`: x is drawn from a prior, a decoder and a likelihood.
struct ModelDataSpec {
  std::optional<ComponentSpec> decoder, prior, likelihood;  ///< each may be absent if `from` is given
  std::optional<std::string> from;     ///< a run or checkpoint; the slots given here replace its own
  std::optional<std::int64_t> latent;  ///< absent only with `from`
  std::vector<std::int64_t> shape;     ///< of one example; empty only with `from`
  std::int64_t size = 0;               ///< training examples; 0 if fresh
  bool fresh = false;                  ///< every batch is new
  std::int64_t test = 0;
  std::uint64_t seed = 1;
  std::int64_t classes = 0;  ///< that its components are conditioned on; 0: none, or those of `from`
};

struct DataSpec {
  Node dataset;  ///< text (a name or a path) or a descriptor's table: for the data subsystem to read
  std::optional<ModelDataSpec> model;  ///< of `dataset`, if that is drawn from a model
  std::string train_split = "train", test_split = "test";
  std::int64_t validation = 0;  ///< training examples held out, from the end of the split
  std::int64_t limit = 0;       ///< training examples used; 0: all
  double test = 0;  ///< rows drawn for testing from data of one split: a count or, below 1, a share; 0: none
  double memory = 0;    ///< GB that the data may take when they are read; 0: half of what is free
  bool stream = false;  ///< values stay in their file, and are read as they are needed
  std::string channels = "as-stored";  ///< "as-stored", "grey", "colour"
  std::string scale = "unit";          ///< "unit", "none", "standardise"
  bool dequantise = false;
  std::string binarise = "none";  ///< "none", "static", "dynamic"
  std::string condition;          ///< "labels", "factors", "array"; empty: none
  std::string missing;            ///< "mask": values may be missing; empty: they must not
};

struct Experiment {
  std::string name;
  std::uint64_t seed = 1;
  DataSpec data;
  std::int64_t latent = 0;
  std::map<Kind, ComponentSpec> slots;  ///< all six, once resolve() found no error
  TrainSpec train;
  bool tensorboard = false;               ///< log.tensorboard: event files while it trains
  std::vector<std::string> plugin_paths;  ///< absolute
  /// The whole config with its defaults: print() of it, resolved again, is this experiment. Positions are
  /// kept.
  Node resolved;
};

/// [plugins].paths of a config that is not resolved yet, absolute: the catalog that resolve() needs depends
/// on it.
std::vector<std::string> plugin_paths(const Node& root);

/// The name of a config that does not say it: its file's own, as far as that can name a run's folder.
std::string default_name(const Node& root);

/// The components that exist. The plugin registry implements it.
class Catalog {
 public:
  struct Entry {
    std::string plugin;                     ///< the plugin's id, "org.variform.encoders"
    std::span<const Parameter> parameters;  ///< valid as long as the catalog
  };

  virtual ~Catalog() = default;
  /// Returns one entry per plugin that offers this component.
  virtual std::vector<Entry> find(Kind kind, std::string_view id) const = 0;
  virtual std::vector<std::string> ids(Kind kind) const = 0;
  /// Returns a sentence about a component that is not found, such as that its plugin was refused; may be empty.
  virtual std::string why_missing(Kind, std::string_view /*id*/) const { return {}; }
};

/// A component given by itself, as on the command line.
struct GivenComponent {
  ComponentSpec component;
  Node resolved;  ///< its table, defaults included
};
/// `text` is the id of a component, or an inline table as in a config: `{ type = "mixture", components = 5 }`. `name`
/// stands for it in messages ("--prior"). After an error, which is in `diagnostics`, the result is empty.
GivenComponent parse_component(const std::string& text, const std::string& name, Kind kind,
                               const Catalog& catalog, Diagnostics& diagnostics);

/// Checks a `dataset` that is not drawn from a model; empty: every text or table is accepted.
using CheckDataset = std::function<void(const Node& dataset, Diagnostics& diagnostics)>;

/// Validates everything. All errors go to `diagnostics`, as does every error of `load`: call throw_if_any() after both.
/// Never throws for the contents of the config.
Experiment resolve(const Node& root, const Catalog& catalog, Diagnostics& diagnostics,
                   const CheckDataset& check_dataset = {});

/// Reads only the section [data] of a config, for data in files; ignores everything else.
DataSpec parse_data(const Node& root, Diagnostics& diagnostics);

/// Returns what identifies a run except for its seed: the resolved config as TOML, without name, seed, plugin paths,
/// device, threads, and the folders of data and other runs.
std::string identity_text(const Node& resolved);

/// Returns 64 bits of its SHA-256 as 16 hexadecimal digits. Whoever takes a run for another's compares identity_text() all
/// the same.
std::string experiment_hash(const Experiment& experiment);
/// Returns the eight digits that programs before the second edition had in the names of runs.
std::string former_experiment_hash(const Experiment& experiment);

}  // namespace variform::config
