#pragma once
// VariationalFamily: the set Q of approximate posteriors, whose effect on the learned model is this project's question.

#include <variform/component.h>
#include <variform/covariance.h>

#include <limits>
#include <memory>
#include <optional>

namespace variform {
inline namespace v1 {

/// The interval in which every coordinate of a distribution lies; by default all of R.
struct Support {
  double low = -std::numeric_limits<double>::infinity();  ///< the interval's lower end
  double high = std::numeric_limits<double>::infinity();  ///< its upper end
};

/// K draws for each of B data.
struct Draw {
  Tensor z;      ///< [K, B, d]
  Tensor noise;  ///< the posterior's own business (base noise, log-determinants); undefined for a foreign z
};

/// q(z|x) for a batch of B data. Lives shorter than the tensors it was made from. Whether an optional result is there
/// may depend on the config, never on data. Everything is in nats and differentiable.
class VARIFORM_API Posterior {
 public:
  virtual ~Posterior();
  /// The mean where there is one, else a centre: [B, d].
  virtual Tensor location() const = 0;
  /// K reparameterised draws for each datum, from `rng` only.
  virtual Draw rsample(int64_t K, Generator& rng) const = 0;
  /// log q(z|x) for z [..., B or 1, d] -> [..., B]. Default: the sum of marginals().
  virtual Tensor log_prob(const Draw& draw) const;
  /// log q(z_i|x) -> [..., B, d], for families whose coordinates are independent. Default: throws Unsupported.
  virtual Tensor marginals(const Draw& draw) const;
  /// Closed-form entropy [B], when there is one.
  virtual std::optional<Tensor> entropy() const { return {}; }
  /// Second central moment; when it is there, location() is the mean.
  virtual std::optional<Covariance> covariance() const { return {}; }
};

/// The posterior that a family made, behind what Model::posterior puts around it to check shapes and to name the family in
/// errors; `posterior` itself when there is nothing around it. Lives as long as `posterior`.
VARIFORM_API const Posterior& innermost(const Posterior& posterior);

/// A family's own posterior as its class, for what an objective or a prior of the same plugin asks of it beside the
/// interface: `const auto* mine = variform::unwrap<MyPosterior>(*posterior)`; nullptr when it is of another class. Prefer the
/// functions of Posterior where they do: they are checked.
template <class P>
const P* unwrap(const Posterior& posterior) {
  return dynamic_cast<const P*>(&innermost(posterior));
}

/// Makes posteriors from the encoder's output.
class VARIFORM_API VariationalFamily : public Component {
 public:
  ~VariationalFamily() override;
  /// Numbers per datum that the encoder must output for latent dimension d.
  virtual int64_t parameter_count(int64_t d) const = 0;
  /// params [B, parameter_count(d)] -> q(z|x). x [B, data…] is the batch itself, for families whose covariance
  /// depends on the datum through decoder and likelihood; others ignore it.
  virtual std::unique_ptr<Posterior> posterior(const Tensor& params, const Tensor& x) = 0;
  /// Where its draws lie.
  virtual Support support() const { return {}; }
  /// The highest moment of its draws that is finite (Student-t: below the degrees of freedom). With the prior's
  /// moments_needed() it tells at config time whether KL is infinite.
  virtual int finite_moments() const { return std::numeric_limits<int>::max(); }
};

}  // namespace v1
}  // namespace variform
