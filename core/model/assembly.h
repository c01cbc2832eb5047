#pragma once
// Builds a model from component specifications: sizes flow from likelihood and family to the networks, every slot
// gets its own stream of random numbers, and schedules become tensors that are refilled before each step.

#include <variform/host.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <vector>

#include "config/experiment.h"
#include "model/parameter_group.h"
#include "plugins/registry.h"

namespace variform::model {

/// The parts and settings that a model is built from.
struct ModelSpec {
  Shape data;  ///< of one example
  int64_t latent = 0;
  int64_t condition = 0;                        ///< numbers per row that the model is conditioned on
  std::map<Kind, config::ComponentSpec> slots;  ///< all six, or those that are wanted
  uint64_t seed = 1;
  at::TensorOptions options;  ///< float32 or float64, and the device
  bool mixed_precision = false;
  int64_t horizon = 1;                      ///< steps of the training, for schedules
  std::function<Tensor(int64_t)> examples;  ///< n training rows; empty: components that ask are refused
};

/// A model with what the engine keeps beside it. The model's address never changes.
class Assembly {
 public:
  /// Builds every slot. The registry must outlive it. Throws variform::Error naming the slot and its place in the config.
  Assembly(const ModelSpec& spec, const plugins::Registry& registry);
  ~Assembly();
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  HostModel& model() { return *model_; }
  const Model& model() const { return *model_; }
  const ModelSpec& spec() const { return spec_; }

  /// Sets schedules and random stream to those of a training step.
  void set_step(int64_t step);
  /// Returns names ("objective.beta") and schedules of all scheduled parameters, without those that are constant.
  std::vector<std::pair<std::string, config::Schedule>> changing() const;
  /// Seeds the model's generator with hash(seed, purpose, index).
  void seed(const char* purpose, int64_t index);
  /// Training or evaluation mode of all components; frozen ones stay in evaluation mode.
  void set_training(bool on);

  /// Returns all state by checkpoint path: "model/<slot>/parameters/<name>", "model/<slot>/buffers/<name>". The
  /// tensors are the live ones.
  std::map<std::string, Tensor> state() const;
  /// Copies state in, converting dtype and device. Throws std::runtime_error naming everything that is missing,
  /// unexpected or of another shape. Only `slots` are loaded.
  void load(const std::map<std::string, Tensor>& tensors, const std::vector<Kind>& slots);

  /// Parameters that are trained, grouped by optimizer; "encoder/net.0.weight" is a parameter's name.
  std::vector<ParameterGroup> parameter_groups(const config::OptimizerSpec& common) const;
  /// Builds a component beside the slots, such as a metric, with the model's sizes. Throws variform::Error.
  std::shared_ptr<Component> beside(const config::ComponentSpec& spec,
                                    const plugins::Registry& registry) const;
  /// Builds the same model once more, from the same seed, with its own tensors, components and generator.
  std::unique_ptr<Assembly> again() const;
  /// Kinds of the slots that are filled.
  std::vector<Kind> kinds() const;

 private:
  struct Source;
  struct Scheduled {
    std::string name;  // as in a config
    config::Schedule schedule;
    Tensor value;
  };
  Build build_of(const config::ComponentSpec& spec, const plugins::Registry& registry) const;
  void build_slot(Kind kind, const plugins::Registry& registry);

  ModelSpec spec_;
  const plugins::Registry& registry_;
  std::shared_ptr<std::vector<Scheduled>> schedules_ = std::make_shared<std::vector<Scheduled>>();
  std::unique_ptr<HostModel> model_;
};

/// Makes a separate generator on a device; the global ones are never touched.
Generator make_generator(const at::Device& device, uint64_t seed);

}  // namespace variform::model
