#pragma once
// KL divergences of single latents, for metrics and for what is shown of a training.

#include <variform/family.h>

namespace variform {
inline namespace v2 {

/// KL(q(z_i|x) ‖ p(z_i)) of every latent.
struct LatentKl {
  Tensor kl;  ///< [B, d] float64, in nats
  bool closed =
      false;  ///< whether it is a closed form; else the marginals' entropies are means over the draws
};

/// Returns the divergences of q's B rows from a Gaussian prior, mean [1 or B, d]: closed where q is Gaussian, which is
/// recognised by its entropy, else with log q(z_i|x) averaged over `draw`. Throws Unsupported when q has no covariance, or
/// is not Gaussian and has no marginals. Source: theory §8.
VARIFORM_API LatentKl latent_kl(const Posterior& posterior, const Draw& draw, const Gaussian& prior);

}  // namespace v2
}  // namespace variform
