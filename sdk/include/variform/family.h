#pragma once
// VariationalFamily: the set Q of approximate posteriors, whose effect on the learned model is this project's question.
// Unless a function says otherwise, the rules of variform/component.h hold; source: theory §1.

#include <variform/component.h>
#include <variform/covariance.h>

#include <limits>
#include <memory>
#include <optional>

namespace variform {
inline namespace v2 {

/// The interval in which every coordinate of a distribution lies; by default all of R.
struct Support {
  double low = -std::numeric_limits<double>::infinity();  ///< the interval's lower end
  double high = std::numeric_limits<double>::infinity();  ///< its upper end
};

/// K draws for each of B rows.
struct Draw {
  Tensor z;  ///< [K, B, d]
  Tensor
      state;  ///< the posterior's own (base noise, log-determinants); undefined for a z that it did not draw itself
};

/// q(z|x) for a batch of B rows, B ≥ 0. Everything is in nats, summed over latents. It may keep what it was made from;
/// a family must not keep a posterior. Abilities: ext/posterior.h; which of them it has may depend on parameters, never
/// on data. Unless a function says otherwise: calls: any number of times, in any order; autograd: differentiable in
/// what it was made from, and the same values under no_grad; thread: one at a time, while others use other posteriors
/// of the same family.
class VARIFORM_API Posterior {
 public:
  virtual ~Posterior();
  /// The mean where there is one, else a centre: [B, d].
  virtual Tensor location() const = 0;
  /// K reparameterised draws for each row, z [K, B, d], from `rng` only: differentiable at fixed noise, so no draws
  /// that depend on comparisons with random numbers (ancestral draws of a mixture).
  virtual Draw rsample(int64_t K, Generator& rng) const = 0;
  /// log q(z|x) for z [..., B or 1, d] -> [..., B], in the dtype of location(). Where `draw.state` is undefined, z is
  /// not a draw of this posterior; a family without a density there throws Unsupported.
  virtual Tensor log_prob(const Draw& draw) const = 0;
  /// The ability of that name, or nullptr; as Component::ability().
  virtual const void* ability(std::string_view id) const;

  /// log q(z_i|x), z [..., B or 1, d] -> [..., B, d], by the ability LogMarginals; throws Unsupported without it.
  Tensor log_marginals(const Draw& draw) const;
  /// The entropy [B], by the ability ClosedEntropy; empty without it.
  std::optional<Tensor> entropy() const;
  /// The second central moment [B or 1, d, d], by the ability Moments; empty without it. Where it is there, location()
  /// is the mean.
  std::optional<Covariance> covariance() const;
};

/// The posterior that a family made, behind what Model::posterior puts around it to check shapes and to name the family
/// in errors; `posterior` itself when there is nothing around it. Lives as long as `posterior`.
VARIFORM_API const Posterior& innermost(const Posterior& posterior);

/// A family's own posterior as its class, for what an objective or a prior of the same plugin asks of it beside the
/// interface: `const auto* mine = variform::unwrap<MyPosterior>(*posterior)`; nullptr when it is of another class.
/// Prefer the functions of Posterior where they do: they are checked.
template <class P>
const P* unwrap(const Posterior& posterior) {
  return dynamic_cast<const P*>(&innermost(posterior));
}

/// Makes posteriors from the encoder's output. Abilities: ext/family.h.
class VARIFORM_API VariationalFamily : public Component {
 public:
  static constexpr Kind kKind = Kind::kFamily;  ///< what kind of component it is
  ~VariationalFamily() override;
  /// Numbers per row that the encoder must output for latent dimension d. Called before the encoder is built and for
  /// each batch, by any thread; the same each time.
  virtual int64_t parameter_count(int64_t d) const = 0;
  /// params [B, parameter_count(d)] -> q(z|x), B ≥ 0. x [B, data…] is the batch itself, for families whose covariance
  /// depends on the row through decoder and likelihood, and `context` is what is known of its rows; others ignore both.
  /// Once per step and batch. Two threads may call it at once in an evaluation. What it shares with a prior it asks for
  /// here, not in its constructor: `ability<PriorLevels>(build.model->prior())`, for one.
  virtual std::unique_ptr<Posterior> posterior(const Tensor& params, const Tensor& x,
                                               const Context& context) = 0;

  /// Where its draws lie, by the ability BoundedSupport; all of R without it.
  Support support() const;
  /// The highest finite moment of its draws, by the ability FiniteMoments; all without it.
  int finite_moments() const;
};

}  // namespace v2
}  // namespace variform
