#pragma once
// What every component is, and what its constructor is given. The rules of the SDK, which other headers name and add
// to; a function states its shapes, and what differs. Unless a function says otherwise: dtype: that of Build::options
// (float32 or float64), under mixed precision, too, where autocast to bfloat16 surrounds encode(), decode() and
// pushforward() alone; device: that of Build::options; autograd: differentiable in the tensors that it is given and in
// trained parameters, and the same values under no_grad, which evaluations set; thread: one at a time; recorded step:
// on a GPU a training step is recorded once, after three plain ones, and replayed from then on without a call of any
// function: no .item(), no boolean-mask indexing, no decision of the host on data, no number of the host that changes;
// errors: throws variform::Error, or Unsupported for what it cannot do, to which the engine adds kind, component,
// function and step.

#include <variform/ability.h>
#include <variform/context.h>
#include <variform/schema.h>
#include <variform/types.h>

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace variform {
inline namespace v2 {

class Model;
class Build;
class ParameterSource;

/// The base of all components. Its state is named tensors (register_parameter, register_buffer, register_module of
/// torch::nn::Module) and nothing else: that is what checkpoints hold. Always lives in a shared_ptr.
/// Tensors must be registered in the constructor, and their shapes never change.
class VARIFORM_API Component : public torch::nn::Module {
 public:
  ~Component() override;
  /// The ability of that name, or nullptr. Ask by variform::ability<A>(component), and derive from variform::With to
  /// have some: this function is then written. Override it by hand only where a parameter decides. Any number of times,
  /// by any thread; never throws.
  virtual const void* ability(std::string_view id) const;
};

/// All that a component's constructor may ask. Sizes are resolved. Copies share the generator and the parameters: a
/// copy with other sizes builds another component. Unless a function says otherwise: errors: throws Error for a
/// parameter that the component's schema does not declare, or declares with another type.
class VARIFORM_API Build {
 public:
  Shape data;                 ///< one example: [channels, height, width] or [P]
  int64_t latent = 0;         ///< d, the latent dimension
  int64_t outputs = 1;        ///< encoder: family.parameter_count(d); decoder: likelihood.outputs()
  at::TensorOptions options;  ///< device and dtype (float32 or float64) for every parameter and buffer
  Generator rng;              ///< seeded from (seed, slot) for the constructor; later the same as Model::rng
  int64_t condition = 0;      ///< numbers per row of Context::condition; 0: the model is not conditioned
  Model* model = nullptr;     ///< outlives the component; its slots may be used from the first step on

  /// The value of a parameter declared with variform::number().
  double number(std::string_view key) const;
  /// The value of a parameter declared with variform::integer().
  int64_t integer(std::string_view key) const;
  /// The value of a parameter declared with variform::flag().
  bool flag(std::string_view key) const;
  /// The value of a parameter declared with variform::text(); one of its choices, if it has any.
  std::string text(std::string_view key) const;
  /// The value of a parameter declared with variform::numbers().
  std::vector<double> numbers(std::string_view key) const;
  /// The value of a parameter declared with variform::integers().
  std::vector<int64_t> integers(std::string_view key) const;

  /// A schedulable parameter as a 0-dim float64 tensor on the model's device that the engine refills before each
  /// step. Keep the tensor; do not read it on the host inside a step.
  Tensor schedule(std::string_view key) const;
  /// The value that schedule(key) has at the end of the training.
  double final_value(std::string_view key) const;

  /// The same by the parameter itself, so that its name stands once: with
  /// `constexpr auto kDf = variform::number("df", 5.0);` in the component's list, `build.number(kDf)`.
  double number(const Parameter& parameter) const { return number(parameter.name); }
  /// An integer, by its parameter.
  int64_t integer(const Parameter& parameter) const { return integer(parameter.name); }
  /// A flag, by its parameter.
  bool flag(const Parameter& parameter) const { return flag(parameter.name); }
  /// A text, by its parameter.
  std::string text(const Parameter& parameter) const { return text(parameter.name); }
  /// A list of numbers, by its parameter.
  std::vector<double> numbers(const Parameter& parameter) const { return numbers(parameter.name); }
  /// A list of integers, by its parameter.
  std::vector<int64_t> integers(const Parameter& parameter) const { return integers(parameter.name); }
  /// A schedule, 0-dim, by its parameter.
  Tensor schedule(const Parameter& parameter) const { return schedule(parameter.name); }
  /// The last value of a schedule, by its parameter.
  double final_value(const Parameter& parameter) const { return final_value(parameter.name); }

  /// The component that a parameter made by component_parameter() describes, built with this Build's sizes.
  /// Register it with register_module to make its state yours. T is one of the interfaces.
  template <class T>
  std::shared_ptr<T> component(std::string_view key) const;

  /// The first n training data, or all if there are fewer, [n, data…], in options' dtype and device: for
  /// data-dependent initialisation. Throws Error for a model that is built without data.
  Tensor examples(int64_t n) const;

  /// The number of values in one example, P.
  int64_t data_size() const;

 private:
  friend class BuildMaker;  // variform/host.h
  explicit Build(std::shared_ptr<const ParameterSource> parameters) : parameters_(std::move(parameters)) {}
  std::shared_ptr<Component> component_of(std::string_view key, Kind kind) const;

  std::shared_ptr<const ParameterSource> parameters_;
};

/// The kind of component that the class C is, which its interface says.
template <class C>
consteval Kind kind_of() {
  static_assert(std::is_base_of_v<Component, C>, "a component derives from one of the interfaces");
  return C::kKind;
}

template <class T>
std::shared_ptr<T> Build::component(std::string_view key) const {
  return std::static_pointer_cast<T>(component_of(key, kind_of<T>()));
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

}  // namespace v2
}  // namespace variform
