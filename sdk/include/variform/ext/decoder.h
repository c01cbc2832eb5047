#pragma once
// Abilities of decoders, and of the layers that decoders are made of. Unless a function says otherwise, the rules of
// variform/decoder.h hold.

#include <variform/decoder.h>

namespace variform {
inline namespace v2 {

/// A decoder that pushes tangents by its own formula: exact, and mostly cheaper than automatic differentiation.
class Pushforward {
 public:
  static constexpr std::string_view kId = "variform.pushforward/1";  ///< its name
  /// The rule of Decoder::pushforward(): the same g as decode(), and jv, differentiable in z and in the parameters.
  /// Both may be bfloat16 under mixed precision: the engine widens them.
  virtual Pushed pushforward(const Tensor& z, const Tensor& v, const Context& context) = 0;
  /// What messages and `check` call it: kOwn, or kLayers where variform/nn layers do it. Any number of times, any
  /// thread.
  virtual PushforwardTier pushforward_tier() const { return PushforwardTier::kOwn; }

 protected:
  ~Pushforward() = default;
};

/// A decoder that knows vᵀJᵀJv by a shorter way than forming Jv.
class PullbackMetric {
 public:
  static constexpr std::string_view kId = "variform.pullback-metric/1";  ///< its name
  /// The rule of Decoder::pullback_metric(): equal to the inner products of pushforward()'s jv to rounding. Training
  /// steps ask for it where the likelihood has IsotropicCurvature, never under mixed precision or with a mask.
  virtual Pullback pullback_metric(const Tensor& z, const Tensor& v, const Context& context) = 0;

 protected:
  ~PullbackMetric() = default;
};

/// A decoder or a layer that says whether it is piecewise linear in its input (ReLU, leaky ReLU, linear): Gauss–Newton
/// is then all of the Hessian almost everywhere (§3). Without it: no.
class PiecewiseLinear {
 public:
  static constexpr std::string_view kId = "variform.piecewise-linear/1";  ///< its name
  /// True when it is. May depend on parameters, never on data. Any number of times, any thread.
  virtual bool piecewise_linear() const { return true; }

 protected:
  ~PiecewiseLinear() = default;
};

/// A decoder or a layer that says whether the rows of a batch are independent of each other; batch normalisation in
/// training mode makes them interact. Without it: they are.
class RowsIndependent {
 public:
  static constexpr std::string_view kId = "variform.rows-independent/1";  ///< its name
  /// False when rows interact; may depend on the training mode. Called before each pushforward.
  virtual bool rows_independent() const = 0;

 protected:
  ~RowsIndependent() = default;
};

}  // namespace v2
}  // namespace variform
