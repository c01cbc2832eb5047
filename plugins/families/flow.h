#pragma once
// Shared by the normalising flows of this folder: Gaussian draws sent through maps whose inverse is not computed.

#include <variform/family.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

namespace variform::flows {

/// z = f(m + s ε): log q(z|x) = log N(z_0; m, s²) − log|det ∂f/∂z_0|. Draw::noise is log q of the draw itself, [K, B],
/// summed up on the way; at other points the density is refused.
class FlowPosterior : public Posterior {
 public:
  /// mean and log_variance [B, d]; `name` begins the refusal: "a planar flow has no inverse in closed form and".
  FlowPosterior(Tensor mean, Tensor log_variance, std::string name)
      : mean_(std::move(mean)), log_variance_(std::move(log_variance)), name_(std::move(name)) {}

  /// Returns the image of the Gaussian's mean: a centre, not the mean.
  Tensor location() const final { return flow(mean_).z; }
  Draw rsample(int64_t K, Generator& rng) const final {
    const Tensor noise = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
    const Tensor log_base = -0.5 * (noise.square() + log_variance_ + std::log(2 * std::numbers::pi)).sum(-1);
    const Flowed end = flow(mean_ + (0.5 * log_variance_).exp() * noise);
    return {end.z, log_base - end.log_det};
  }
  Tensor log_prob(const Draw& draw) const final {
    if (!draw.state.defined())
      throw Unsupported(
          name_ +
          " knows its density at its own draws only; choose a prior and an objective that need no other, "
          "or another family");
    return draw.state;
  }

 protected:
  struct Flowed {
    Tensor z, log_det;  // [..., B, d], [..., B]
  };
  /// Computes f, and log|det| of its Jacobian, for z [..., B, d].
  virtual Flowed flow(Tensor z) const = 0;

  /// Returns the log|det| to start from: zeros [..., B].
  static Tensor no_change(const Tensor& z) { return at::zeros(z.sizes().slice(0, z.dim() - 1), z.options()); }

 private:
  Tensor mean_, log_variance_;  // [B, d]
  std::string name_;
};

/// Directions [T d] for T vectors: unit vectors, the same for the first two, for the next two, and so on, so that the
/// reflections along them undo each other. Cosines, which prefer no latent; a last one without a partner goes along the
/// first latent, whose sign it turns.
inline Tensor paired_directions(int64_t count, int64_t d, const at::TensorOptions& options) {
  const Tensor places = (at::arange(d, at::kDouble) + 0.5) * (std::numbers::pi / static_cast<double>(d));
  std::vector<Tensor> all;
  for (int64_t t = 0; t < count; ++t) {
    const bool is_alone = t % 2 == 0 && t + 1 == count;
    const Tensor direction =
        is_alone ? at::eye(d, at::kDouble)[0] : (places * static_cast<double>(t / 2 % d)).cos();
    all.push_back(direction / direction.norm());
  }
  return at::cat(all).to(options);
}

/// H_T … H_1 with H_t = I − 2 v_t v_tᵀ/‖v_t‖²: vectors [B, T·d] -> [B, d, d]. v = 0 stands for no reflection.
inline Tensor reflections(const Tensor& vectors, int64_t d) {
  Tensor product = at::eye(d, vectors.options()).expand({vectors.size(0), d, d});
  for (const Tensor& flat : vectors.split(d, 1)) {
    const Tensor v = flat.unsqueeze(2);                      // [B, d, 1]
    const Tensor along = v.transpose(1, 2).matmul(product);  // vᵀ times the product so far
    product = product - v.matmul(along) * (2 / v.square().sum(1, true).clamp_min(1e-12));
  }
  return product;
}

}  // namespace variform::flows
