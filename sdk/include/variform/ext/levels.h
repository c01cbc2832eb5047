#pragma once
// Latents in levels: p(z) = p(z_L) ∏ p(z_l|z_l+1 … z_L) beside q(z|x) = q(z_L|x) ∏ q(z_l|z_l+1 … z_L, x), whose KL
// divergence is closed level by level, given a draw of the levels after it. Unless a function says otherwise, the rules
// of Posterior in variform/family.h hold; source: Sønderby et al. 2016, section 2.

#include <variform/ext/posterior.h>
#include <variform/ext/prior.h>

#include <vector>

namespace variform {
inline namespace v2 {

/// Independent normal distributions of latents, each given the levels after its own.
struct LevelMoments {
  Tensor mean;           ///< [..., B, the latents]
  Tensor log_deviation;  ///< the same shape
};

/// A posterior of levels: the latents of a level are normal and independent, given x and the levels after it. The last
/// level depends on x alone. Needed by: a KL divergence that is closed in part.
class PosteriorLevels {
 public:
  static constexpr std::string_view kId = "variform.posterior-levels/1";  ///< its name
  /// Their sizes in the order of the coordinates, adding up to d.
  virtual std::vector<int64_t> levels() const = 0;
  /// The moments of all latents at z [..., B or 1, d] -> [..., B, d], in the dtype of location() and differentiable:
  /// log_prob() is the sum of these normal log-densities. Those of a level depend on the levels after it only.
  virtual LevelMoments level_moments(const Draw& draw) const = 0;

 protected:
  ~PosteriorLevels() = default;
};

/// A prior of levels, as PosteriorLevels. A family that shares a parameter with the prior (the sizes, say) declares it,
/// too, and compares when it is first asked for a posterior: `ability<PriorLevels>(build.model->prior())`, Error when
/// they differ.
class PriorLevels {
 public:
  static constexpr std::string_view kId = "variform.prior-levels/1";  ///< its name
  /// Their sizes in the order of the coordinates, adding up to d.
  virtual std::vector<int64_t> levels() const = 0;
  /// The moments of level `index`, given the levels after it, above [..., B, their sizes' sum] -> [..., B, its size];
  /// no columns for the last level. Differentiable in `above` and in the parameters. Once per level, step and batch,
  /// and whenever a family asks, then by two threads at once, as posteriors are. `context` is of the B rows.
  virtual LevelMoments level_moments(int64_t index, const Tensor& above, const Context& context) = 0;

 protected:
  ~PriorLevels() = default;
};

/// An estimate of KL(q ‖ p) of each draw, z [K, B, d] -> [K, B], with the mean of log q − log p and less noise: the sum
/// over levels of the closed KL divergence, given the draw of the levels after it. For a q and a p of levels where each
/// level of p consists of whole levels of q; a Gaussian of independent latents counts as levels of one (q) or as one
/// level (p). Empty for others.
VARIFORM_API std::optional<Tensor> partly_closed_kl(Prior& prior, const Posterior& posterior,
                                                    const Draw& draw, const Context& context);

/// The sizes of the levels, for the schema of a family or a prior; level_sizes() reads it.
inline constexpr Parameter kLevels =
    integers("levels", {})
        .at_least(1)
        .in("latents")
        .doc("Sizes of the levels, adding up to d, the one next to the data first; left out, two halves.");
/// The sizes that kLevels gives for Build::latent; two halves when it is left out, the first the larger one, or one
/// level for one latent. Throws Error when they do not add up.
VARIFORM_API std::vector<int64_t> level_sizes(const Build& build);

}  // namespace v2
}  // namespace variform
