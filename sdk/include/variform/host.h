#pragma once
// The engine's side of the SDK: where a component's parameters come from, and a model whose slots are filled. For the
// engine and for tests; a plugin includes variform/plugin.h. Unless a function says otherwise, the rules of
// variform/component.h hold; calls: any number of times, by constructors; autograd: none; source: the config, and the
// data set.

#include <variform/model.h>

namespace variform {
inline namespace v2 {

/// Validated and defaulted parameters. Components see them through Build. Unless a function says otherwise: errors:
/// throws Error for a key that the schema does not declare with such a type.
class VARIFORM_API ParameterSource {
 public:
  virtual ~ParameterSource();
  /// A number, an integer or a flag (0 or 1).
  virtual double number(std::string_view key) const = 0;
  /// A text.
  virtual std::string text(std::string_view key) const = 0;
  /// A list of numbers or of integers.
  virtual std::vector<double> numbers(std::string_view key) const = 0;
  /// See Build::schedule().
  virtual Tensor schedule(std::string_view key) const = 0;
  /// See Build::final_value().
  virtual double final_value(std::string_view key) const = 0;
  /// Builds the component that a parameter describes, with the sizes of `build`.
  virtual std::shared_ptr<Component> component(std::string_view key, Kind kind, const Build& build) const = 0;
  /// See Build::examples().
  virtual Tensor examples(int64_t n) const = 0;
};

/// Makes what a component's constructor is given.
class VARIFORM_API BuildMaker {
 public:
  /// A Build over these parameters. Sizes, options and generator are still to be set.
  static Build make(std::shared_ptr<const ParameterSource> parameters);
  /// The sizes, generator and model of `build` with other parameters.
  static Build with(const Build& build, std::shared_ptr<const ParameterSource> parameters);
};

/// A model that the engine fills and steers. It never moves: components keep a pointer to it.
class VARIFORM_API HostModel final : public Model {
 public:
  /// A model with empty slots.
  HostModel(Shape data, int64_t latent, at::TensorOptions options, Generator rng);
  ~HostModel();
  /// Fills a slot. `label` is what messages call it: "mlp (org.variform.decoders 1.0.0)".
  void set(Kind kind, std::shared_ptr<Component> component, std::string label);
  /// The step of the training, for messages and nn::SpectralNorm; −1: outside one.
  void set_step(int64_t step);
  /// bfloat16 autocast around encode, decode and pushforward.
  void set_mixed_precision(bool mixed);
  /// Computes every sum by its definition instead of by a shorter way to the same value.
  void set_reference(bool reference);
};

}  // namespace v2
}  // namespace variform
