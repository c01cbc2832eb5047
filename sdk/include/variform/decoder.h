#pragma once
// Decoder: z -> the likelihood's natural output g(z), and its pushforward J·v, on which GRAE is built. Unless a
// function says otherwise, the rules of variform/component.h hold; calls: several times per step; source: theory §1.

#include <variform/component.h>

#include <atomic>

namespace variform {
inline namespace v2 {

/// g(z) and the Jacobian applied to tangents.
struct Pushed {
  Tensor g;   ///< [N, …]
  Tensor jv;  ///< [T, N, …]: jv[t] = J(z) v[t]
};

/// g(z) and the inner products of the pushed tangents.
struct Pullback {
  Tensor g;       ///< [N, …]
  Tensor metric;  ///< [N, T, T]: vᵀJᵀJv, the pullback metric G for v = I
};

/// How a decoder computes its pushforward; all agree to rounding.
enum class PushforwardTier { kUndecided, kLayers, kForwardMode, kDoubleBackward, kOwn };
/// The tier's name in words, for messages.
VARIFORM_API const char* to_string(PushforwardTier tier);

/// Maps latents to the likelihood's natural parameters. Abilities: ext/decoder.h.
class VARIFORM_API Decoder : public Component {
 public:
  static constexpr Kind kKind = Kind::kDecoder;  ///< what kind of component it is
  ~Decoder() override;

  /// z [N, d] -> [N, outputs·data[0], data[1]…], N ≥ 0; `outputs` (numbers per data value) is the slow index. The rows
  /// of `context` are those of z. Twice differentiable where tangents are trained on; without the ability Pushforward
  /// it is given dual tensors, too, with z repeated for each tangent. The result may be bfloat16 under mixed precision:
  /// the engine widens it.
  virtual Tensor decode(const Tensor& z, const Context& context) = 0;

  /// The Jacobian–vector product (`jvp` in PyTorch and JAX) for T tangents beside one primal pass (§1's J times v, for
  /// a fixed context): z [N, d], v [T, N, d] -> g [N, …], jv [T, N, …], differentiable in z and in the parameters. By
  /// the ability Pushforward; without it by forward-mode automatic differentiation, or by double backward when an
  /// operation has no forward derivative.
  Pushed pushforward(const Tensor& z, const Tensor& v, const Context& context);
  /// pushforward() and the inner products of its tangents: z [N, d], v [T, N, d] -> g [N, …], metric [N, T, T], in g's
  /// dtype and differentiable as pushforward() is. By the ability PullbackMetric; without it from jv.
  Pullback pullback_metric(const Tensor& z, const Tensor& v, const Context& context);
  /// How pushforward() works; kUndecided before its first call without the ability Pushforward.
  PushforwardTier pushforward_tier() const;
  /// False when rows of a batch interact (ability RowsIndependent): there is no Jacobian per row then, and objectives
  /// that need one refuse.
  bool rows_independent() const;
  /// True when g is piecewise linear in z (ability PiecewiseLinear).
  bool piecewise_linear() const;

 private:
  std::atomic<PushforwardTier> tier_{PushforwardTier::kUndecided};
};

/// jv [T, N, …] -> [N, T, T]: inner products of each row's tangents, in jv's dtype.
VARIFORM_API Tensor inner_products(const Tensor& jv);

/// Pushforward by forward-mode automatic differentiation of decode(): z [N, d], v [T, N, d] -> g [N, …], jv [T, N, …].
/// Its level is process-global and does not nest: calls are serialised. Throws Error for other shapes, and Unsupported
/// under inference mode, where LibTorch would return zeros silently.
VARIFORM_API Pushed pushforward_forward_mode(Decoder& decoder, const Tensor& z, const Tensor& v,
                                             const Context& context);

/// Pushforward by two backward passes through decode(), of the same shapes: J·v is the derivative in u of uᵀJ, applied
/// to v; z [N, d], v [T, N, d] -> g [N, …], jv [T, N, …]. Throws as pushforward_forward_mode() does.
VARIFORM_API Pushed pushforward_double_backward(Decoder& decoder, const Tensor& z, const Tensor& v,
                                                const Context& context);

}  // namespace v2
}  // namespace variform
