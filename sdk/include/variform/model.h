#pragma once
// Model: the six slots together. All calls from one component into another go through it: it folds shapes, settles
// precision, checks what a plugin returns, and names slot, component, plugin and step in every error.

#include <variform/decoder.h>
#include <variform/encoder.h>
#include <variform/family.h>
#include <variform/likelihood.h>
#include <variform/objective.h>
#include <variform/prior.h>

#include <memory>
#include <string>

namespace variform {
inline namespace v2 {

/// The decoder at a point, to second order of the loss: the result of Model::latent_hessian.
struct Linearization {
  Tensor output;   ///< g [B, n, data…], as from decode()
  Tensor hessian;  ///< vᵀ Jᵀ H_ℓ J v, [B, T, T], float64; H for v = I
};

/// An error that left a component, with slot, component, plugin and step in its text.
class VARIFORM_API ComponentError : public Error {
 public:
  using Error::Error;
  ~ComponentError() override;
};

/// A composed model, as components see it. One thread at a time; it never moves, and outlives its components. Contexts
/// are of the rows of their call, [B]; results have options' dtype, under mixed precision, too, where a function does
/// not say float64. Unless a function says otherwise: errors: throws ComponentError (or Unsupported) for what a
/// component throws or returns in another shape, with slot, component, plugin and step, and Error for arguments of
/// another shape.
class VARIFORM_API Model {
 public:
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const Shape data;                 ///< one example
  const int64_t latent;             ///< d
  const at::TensorOptions options;  ///< dtype and device outside the networks (float32 or float64)
  Generator rng;                    ///< the only source of randomness inside a step

  /// The step of the training; −1: outside one.
  int64_t step() const;
  /// Whether encode, decode and pushforward run under bfloat16 autocast.
  bool mixed_precision() const;
  /// Whether every sum is computed by its definition instead of by a shorter way to the same value.
  bool reference() const;

  /// The component in a slot, or nullptr.
  std::shared_ptr<Component> component(Kind kind) const;
  /// What messages call the component in a slot; empty when the slot is.
  const std::string& label(Kind kind) const;

  /// The encoder itself. Like its five siblings it throws Error when the slot is empty.
  Encoder& encoder() const;
  Decoder& decoder() const;  ///< The decoder itself; prefer decode() and latent_hessian(), which check.
  VariationalFamily& family() const;  ///< The family itself; prefer posterior(), which checks.
  Prior& prior() const;            ///< The prior itself; prefer log_prior() and sample_prior(), which check.
  Likelihood& likelihood() const;  ///< The likelihood itself; prefer nll(), data_mean() and sample_data().
  Objective& objective() const;    ///< The objective itself; prefer evaluate(), which checks.

  /// q(z|x), x [B, data…]. Its functions check shapes and name the family in their errors.
  std::unique_ptr<Posterior> posterior(const Tensor& x, const Context& context);
  /// z [..., B, d] or [d] -> g [..., B, n, data…]. The context's rows are repeated for the leading dimensions.
  Tensor decode(const Tensor& z, const Context& context);
  /// −log p(x|g), x [B, data…], g [..., B, n, data…] -> [..., B].
  Tensor nll(const Tensor& x, const Tensor& g, const Context& context);
  /// log p(z), z [..., d] -> [...].
  Tensor log_prior(const Tensor& z, const Context& context);
  /// n latents from the prior, [n, d]; `context` is of the n draws.
  Tensor sample_prior(int64_t n, const Context& context);
  /// E[x|g], g [..., B, n, data…] -> [..., B, data…].
  Tensor data_mean(const Tensor& g);
  /// One draw of x for each g, [..., B, n, data…] -> [..., B, data…].
  Tensor sample_data(const Tensor& g);
  /// KL(q(z|x) ‖ p(z)), z [K, B, d] -> [B]: cross-entropy − entropy when both are closed, else the Monte Carlo mean
  /// over the draw's K samples, of partly_closed_kl() (ext/levels.h) for latents in levels, of log q − log p for all
  /// others (half of each would be noisier).
  Tensor kl(const Posterior& posterior, const Draw& draw, const Context& context);
  /// Whether kl() is closed for this pair.
  bool has_closed_kl(const Posterior& posterior, const Context& context);
  /// g and Jv for T tangents: z [B, d], v [T, B, d] -> g [B, n, data…], jv [T, B, n, data…], in options' dtype.
  /// Throws Unsupported when the decoder mixes rows.
  Pushed pushforward(const Tensor& z, const Tensor& v, const Context& context);
  /// One pushforward of T tangents: x [B, data…], z [B, d], v [T, B, d] -> g and vᵀJᵀH_ℓJv (§1's H for v = I).
  /// Throws Unsupported when the decoder mixes rows.
  Linearization latent_hessian(const Tensor& x, const Tensor& z, const Tensor& v, const Context& context,
                               Curvature curvature = Curvature::kHessian);
  /// The unit tangents of every latent, [d, B, d].
  Tensor unit_tangents(int64_t batch) const;
  /// The objective on a batch [B, …]: loss and parts, [B] or 0-dim each.
  Terms evaluate(const Batch& batch);

 private:
  friend class CheckedPosterior;
  friend class HostModel;
  struct Impl;
  Model(Shape data, int64_t latent, at::TensorOptions options, Generator rng);
  ~Model();
  std::unique_ptr<Impl> impl_;
};

}  // namespace v2
}  // namespace variform
