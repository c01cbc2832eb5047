#pragma once
// From component specifications to a living model: sizes flow from likelihood and family to the networks, every
// slot gets its own stream of random numbers, schedules become tensors that are refilled before each step.

#include <variform/model.h>

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

/// What a model is made of.
struct ModelSpec {
  Shape data;  ///< one datum
  int64_t latent = 0;
  std::map<Kind, config::ComponentSpec> slots;  ///< all six, or those that are wanted
  uint64_t seed = 1;
  at::TensorOptions options;  ///< float32 or float64, and the device
  bool mixed_precision = false;
  int64_t horizon = 1;                      ///< steps of the training, for schedules
  std::function<Tensor(int64_t)> examples;  ///< n training data; empty: components that ask are refused
};

/// A model and what the engine keeps beside it. The model's address never changes.
class Assembly {
 public:
  /// Builds every slot. Throws variform::Error naming the slot and its place in the config.
  Assembly(const ModelSpec& spec, const plugins::Registry& registry);
  ~Assembly();
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  Model& model() { return *model_; }
  const Model& model() const { return *model_; }
  const ModelSpec& spec() const { return spec_; }

  /// Sets schedules and random stream to those of a training step.
  void set_step(int64_t step);
  /// Names and schedules of all scheduled parameters ("objective.beta"), without those that are constant.
  std::vector<std::pair<std::string, config::Schedule>> changing() const;
  /// Seeds the model's generator with hash(seed, purpose, index).
  void seed(const char* purpose, int64_t index);
  /// Training or evaluation mode of all components; frozen ones stay in evaluation mode.
  void set_training(bool on);

  /// All state by checkpoint path: "model/<slot>/parameters/<name>", "model/<slot>/buffers/<name>"; live tensors.
  std::map<std::string, Tensor> state() const;
  /// Copies state in, converting dtype and device. Strict: throws std::runtime_error with everything missing,
  /// unexpected or of another shape. `slots`: which to load; the others are left alone.
  void load(const std::map<std::string, Tensor>& tensors, const std::vector<Kind>& slots);

  /// Parameters that are trained, grouped by optimizer; "encoder/net.0.weight" is a parameter's name.
  std::vector<ParameterGroup> parameter_groups(const config::OptimizerSpec& common) const;
  /// Kinds of the slots that are filled.
  std::vector<Kind> kinds() const;

 private:
  struct Source;
  struct Scheduled {
    std::string name;  // as in a config
    config::Schedule schedule;
    Tensor value;
  };
  void build_slot(Kind kind, const plugins::Registry& registry);

  ModelSpec spec_;
  std::shared_ptr<std::vector<Scheduled>> schedules_ = std::make_shared<std::vector<Scheduled>>();
  std::unique_ptr<Model> model_;
};

/// A generator of our own on a device; the global ones are never touched.
Generator make_generator(const at::Device& device, uint64_t seed);

}  // namespace variform::model
