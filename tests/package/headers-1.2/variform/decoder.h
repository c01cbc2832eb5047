#pragma once
// Decoder: z -> the likelihood's natural output g(z), and its pushforward J·v, on which GRAE is built.

#include <variform/component.h>

#include <atomic>

namespace variform {
inline namespace v1 {

/// g(z) and the Jacobian applied to tangents.
struct Pushed {
  Tensor g;   ///< [N, …]
  Tensor jv;  ///< [T, N, …]: jv[t] = J(z) v[t]
};

/// g(z) and the inner products of the pushed tangents.
struct PushedGram {
  Tensor g;     ///< [N, …]
  Tensor gram;  ///< [N, T, T]: vᵀJᵀJv, the pullback metric for v = I
};

/// How a decoder computes its pushforward; the three agree to rounding.
enum class PushforwardTier { kUndecided, kLayers, kForwardMode, kDoubleBackward };
/// The tier's name in words, for messages.
VARIFORM_API const char* to_string(PushforwardTier tier);

/// Maps latents to the likelihood's natural parameters.
class VARIFORM_API Decoder : public Component {
 public:
  ~Decoder() override;

  /// z [N, d] -> [N, outputs·data[0], data[1]…]; `outputs` (numbers per data value) is the slow index.
  virtual Tensor decode(const Tensor& z) = 0;

  /// T tangents pushed through the decoder beside one primal pass: z [N, d], v [T, N, d] -> g [N, …], jv [T, N, …]
  /// (§1's J times v). The result is differentiable in z and in the parameters. Default: forward-mode automatic
  /// differentiation, or double backward when an operation has no forward derivative.
  /// A decoder made of variform/nn layers overrides it with nn::Layer::push: the same numbers, less work.
  virtual Pushed pushforward(const Tensor& z, const Tensor& v);

  /// Which tier pushforward() uses; kUndecided before the default's first call.
  virtual PushforwardTier pushforward_tier() const { return tier_; }

  /// False when rows of a batch interact (batch normalisation in training mode): there is no Jacobian per sample
  /// then, and objectives that need one refuse.
  virtual bool samplewise() const { return true; }

  /// True when g is piecewise linear in z (ReLU, leaky ReLU, linear): then Gauss–Newton is all of the Hessian
  /// almost everywhere (§3).
  virtual bool piecewise_linear() const { return false; }

  /// pushforward() and the inner products of its tangents: z [N, d], v [T, N, d] -> g [N, …], gram [N, T, T], in g's
  /// dtype and differentiable as pushforward() is. Default: from jv. A decoder made of variform/nn layers overrides it
  /// with nn::Layer::push_gram, which need not form jv.
  virtual PushedGram pushforward_gram(const Tensor& z, const Tensor& v);

 private:
  std::atomic<PushforwardTier> tier_{PushforwardTier::kUndecided};
};

/// jv [T, N, …] -> [N, T, T]: inner products of each datum's tangents, in jv's dtype.
VARIFORM_API Tensor inner_products(const Tensor& jv);

/// Pushforward by forward-mode automatic differentiation of decode(). Its level is process-global and does not nest:
/// calls are serialised. Throws Unsupported under inference mode, where LibTorch would return zeros silently.
VARIFORM_API Pushed pushforward_forward_mode(Decoder& decoder, const Tensor& z, const Tensor& v);

/// Pushforward by two backward passes through decode(): J·v is the derivative in u of uᵀJ, applied to v.
VARIFORM_API Pushed pushforward_double_backward(Decoder& decoder, const Tensor& z, const Tensor& v);

}  // namespace v1
}  // namespace variform
