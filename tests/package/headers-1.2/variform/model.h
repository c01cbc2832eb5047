#pragma once
// Model: the six slots together. All calls from one component into another go through it: it folds shapes, settles
// precision, checks what a plugin returns, and names slot, component, plugin and step in every error.

#include <variform/decoder.h>
#include <variform/encoder.h>
#include <variform/family.h>
#include <variform/likelihood.h>
#include <variform/objective.h>
#include <variform/prior.h>

#include <array>
#include <memory>
#include <string>

namespace variform {
inline namespace v1 {

/// Result of Model::latent_hessian.
struct Local {
  Tensor g;  ///< [B, n, data…], as from decode()
  Tensor h;  ///< vᵀ Jᵀ H_ℓ J v, [B, T, T], float64
};

/// An error that left a component, with slot, component, plugin and step in its text.
class VARIFORM_API ComponentError : public Error {
 public:
  using Error::Error;
  ~ComponentError() override;
};

/// A composed model. Not thread-safe; not to be overridden. Components keep a pointer to it: it never moves.
class VARIFORM_API Model {
 public:
  /// A model with empty slots, for the engine and for tests.
  Model(Shape data, int64_t latent, at::TensorOptions options, Generator rng);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const Shape data;                 ///< one datum
  const int64_t latent;             ///< d
  const at::TensorOptions options;  ///< dtype and device outside the networks (float32 or float64)
  Generator rng;                    ///< the only source of randomness inside a step
  bool mixed_precision = false;     ///< bfloat16 autocast around encode, decode and pushforward
  bool reference = false;           ///< every sum the plain way, without the short ones of the same value
  int64_t step = -1;                ///< of the training, for messages and nn::SpectralNorm; −1: outside one

  /// Fills a slot. `label` is what messages call it: "mlp (org.variform.decoders 1.0.0)".
  void set(Kind kind, std::shared_ptr<Component> component, std::string label);
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

  /// q(z|x), x [B, data…]. Its methods check shapes and name the family in their errors.
  std::unique_ptr<Posterior> posterior(const Tensor& x);
  /// z [..., d] -> g [..., n, data…].
  Tensor decode(const Tensor& z);
  /// −log p(x|g), [..., B].
  Tensor nll(const Tensor& x, const Tensor& g);
  /// log p(z), z [..., d] -> [...].
  Tensor log_prior(const Tensor& z);
  /// n latents from the prior, [n, d].
  Tensor sample_prior(int64_t n);
  /// E[x|g], [..., B, data…].
  Tensor data_mean(const Tensor& g);
  /// One draw of x for each g, [..., B, data…].
  Tensor sample_data(const Tensor& g);
  /// KL(q(z|x) ‖ p(z)), [B]: cross-entropy − entropy when both are closed, else the Monte Carlo mean of
  /// log q − log p over the draw's K samples (half of each would be noisier).
  Tensor kl(const Posterior& posterior, const Draw& draw);
  /// Whether kl() is closed for this pair.
  bool has_closed_kl(const Posterior& posterior);
  /// g and Jv for T tangents: z [B, d], v [T, B, d] -> g [B, n, data…], jv [T, B, n, data…], in options' dtype.
  /// Throws Unsupported when the decoder mixes rows.
  Pushed pushforward(const Tensor& z, const Tensor& v);
  /// One pushforward of T tangents: x [B, data…], z [B, d], v [T, B, d] -> g and vᵀJᵀH_ℓJv (§1's H for v = I).
  /// Throws Unsupported when the decoder mixes rows.
  Local latent_hessian(const Tensor& x, const Tensor& z, const Tensor& v,
                       Curvature curvature = Curvature::kHessian);
  /// The unit tangents of every latent, [d, B, d].
  Tensor unit_tangents(int64_t batch) const;
  /// The objective on a batch, with its terms' shapes checked.
  Terms evaluate(const Batch& batch);

 private:
  friend class CheckedPosterior;
  void require_samplewise() const;
  std::optional<Local> short_latent_hessian(const Tensor& z, const Tensor& v);
  template <class Call>
  auto in(Kind kind, const char* method, const Call& call) const;

  std::array<std::shared_ptr<Component>, kKinds> slots_;
  std::array<std::string, kKinds> labels_;
};

}  // namespace v1
}  // namespace variform
