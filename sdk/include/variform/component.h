#pragma once
// What every component is, and what its constructor is given.

#include <variform/schema.h>
#include <variform/types.h>

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace variform {
inline namespace v1 {

class Model;
class Build;
/// Layers that carry tangents, networks made of them, and their parameters.
namespace nn {
class Layer;
}

/// The base of all components. Its state is named tensors (register_parameter, register_buffer, register_module of
/// torch::nn::Module) and nothing else: that is what checkpoints hold. Always lives in a shared_ptr.
/// Tensors must be registered in the constructor, and their shapes never change.
class VARIFORM_API Component : public torch::nn::Module {
 public:
  ~Component() override;

  /// The network behind this component when it is made of variform/nn layers only, so that `export` can write its
  /// PyTorch counterpart; nullptr when it is not. Owned by the component, and registered under the name "network".
  virtual const nn::Layer* network() const { return nullptr; }
};

/// The engine's side of Build: validated and defaulted parameters. Components use Build, not this.
class VARIFORM_API ParameterSource {
 public:
  virtual ~ParameterSource();
  /// A number, an integer or a flag (0 or 1). Like the others it throws Error for a key that the schema does not
  /// declare with such a type.
  virtual double number(std::string_view key) const = 0;
  /// A text.
  virtual std::string text(std::string_view key) const = 0;
  /// A list of numbers or of integers.
  virtual std::vector<double> numbers(std::string_view key) const = 0;
  /// See Build::schedule.
  virtual Tensor schedule(std::string_view key) const = 0;
  /// See Build::final_value.
  virtual double final_value(std::string_view key) const = 0;
  /// Builds the component that a parameter describes, with the sizes of `build`.
  virtual std::shared_ptr<Component> component(std::string_view key, Kind kind, const Build& build) const = 0;
  /// See Build::examples.
  virtual Tensor examples(int64_t n) const = 0;
};

/// All that a component's constructor may ask. Sizes are resolved. Copies share the generator and the parameters.
/// Asking for a parameter that the component's schema does not declare, or with another type, throws Error.
class VARIFORM_API Build {
 public:
  /// For the engine, and for tests (variform/testing.h): sizes, options and generator are still to be set.
  explicit Build(std::shared_ptr<const ParameterSource> parameters) : parameters_(std::move(parameters)) {}

  Shape data;                 ///< one datum: [channels, height, width] or [P]
  int64_t latent = 0;         ///< d, the latent dimension
  int64_t outputs = 1;        ///< encoder: family.parameter_count(d); decoder: likelihood.outputs()
  at::TensorOptions options;  ///< device and dtype (float32 or float64) for every parameter and buffer
  Generator rng;              ///< seeded from (seed, slot) for the constructor; later the same as Model::rng
  Model* model = nullptr;     ///< outlives the component; its slots may be used from the first step on

  /// The value of a parameter declared with variform::number().
  double number(std::string_view key) const { return parameters_->number(key); }
  /// The value of a parameter declared with variform::integer().
  int64_t integer(std::string_view key) const { return static_cast<int64_t>(parameters_->number(key)); }
  /// The value of a parameter declared with variform::flag().
  bool flag(std::string_view key) const { return parameters_->number(key) != 0; }
  /// The value of a parameter declared with variform::text(); one of its choices, if it has any.
  std::string text(std::string_view key) const { return parameters_->text(key); }
  /// The value of a parameter declared with variform::numbers().
  std::vector<double> numbers(std::string_view key) const { return parameters_->numbers(key); }
  /// The value of a parameter declared with variform::integers().
  std::vector<int64_t> integers(std::string_view key) const;

  /// A schedulable parameter as a 0-dim float64 tensor on the model's device that the engine refills before each
  /// step. Keep the tensor; do not read it on the host inside a step.
  Tensor schedule(std::string_view key) const { return parameters_->schedule(key); }
  /// The value that schedule(key) has at the end of the training.
  double final_value(std::string_view key) const { return parameters_->final_value(key); }

  /// The component that a parameter made by component_parameter() describes, built with this Build's sizes.
  /// Register it with register_module to make its state yours. T is one of the interfaces.
  template <class T>
  std::shared_ptr<T> component(std::string_view key) const;

  /// The first n training data, or all if there are fewer, [n, data…], in options' dtype and device: for
  /// data-dependent initialisation.
  Tensor examples(int64_t n) const { return parameters_->examples(n); }

  /// The number of values in one datum, P.
  int64_t data_size() const;
  /// The same sizes, generator and model with other parameters: for the engine.
  Build with(std::shared_ptr<const ParameterSource> parameters) const;

 private:
  std::shared_ptr<const ParameterSource> parameters_;
};

class Encoder;
class Decoder;
class VariationalFamily;
class Prior;
class Likelihood;
class Objective;
class Metric;

/// The kind of component that the class C is, from the interface that it derives from.
template <class C>
consteval Kind kind_of() {
  if constexpr (std::is_base_of_v<Encoder, C>) return Kind::kEncoder;
  else if constexpr (std::is_base_of_v<Decoder, C>) return Kind::kDecoder;
  else if constexpr (std::is_base_of_v<VariationalFamily, C>) return Kind::kFamily;
  else if constexpr (std::is_base_of_v<Prior, C>) return Kind::kPrior;
  else if constexpr (std::is_base_of_v<Likelihood, C>) return Kind::kLikelihood;
  else if constexpr (std::is_base_of_v<Objective, C>) return Kind::kObjective;
  else {
    static_assert(std::is_base_of_v<Metric, C>, "a component derives from one of the seven interfaces");
    return Kind::kMetric;
  }
}

template <class T>
std::shared_ptr<T> Build::component(std::string_view key) const {
  return std::static_pointer_cast<T>(parameters_->component(key, kind_of<T>(), *this));
}

/// While it lives, the module's trained parameters collect no gradient from what is recorded (an adversary's
/// parameters while the model's loss is recorded). Restores what it found.
class VARIFORM_API Frozen {
 public:
  /// Freezes those of the module's parameters that collect gradients now.
  explicit Frozen(torch::nn::Module& module);
  ~Frozen();
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  std::vector<Tensor> tensors_;
};

}  // namespace v1
}  // namespace variform
