#pragma once
// Whether a distribution is what it says: by quadrature in one dimension, by importance sampling in several, by Monte
// Carlo with its standard error. `variform check` asks this of plugins, the tests of the theory of every family.
// Each check returns if the property holds; else it throws a Verdict that says what was found (kFail), or why the
// question cannot be asked (kSkipped), or lets Unsupported leave. All are for float64. Statistical tolerances are
// beyond five standard errors, so that what is right passes whatever the seed.

#include <variform/model.h>

#include <functional>
#include <string>

#include "conformance/test.h"

namespace variform::conformance {

/// Anything with draws and a density over R^d.
struct Distribution {
  std::string name;  ///< for messages
  Support support;
  std::function<Tensor(int64_t n, Generator& rng)> sample;  ///< [n, d]
  std::function<Tensor(const Tensor& z)> log_prob;          ///< [n, d] -> [n]; may throw Unsupported
};

/// q(z|x) of one datum in a batch; `q` must outlive it.
Distribution distribution_of(const Posterior& q, int64_t datum, const Support& support);
/// p(z); `prior` must outlive it.
Distribution distribution_of(Prior& prior);

/// Draws lie in the support.
void check_support(const Distribution& distribution, Generator rng);
/// The density integrates to 1.
void check_normalised(const Distribution& distribution, Generator rng);
/// Draws follow the density, whatever that integrates to: Kolmogorov–Smirnov for d = 1, else characteristic functions.
void check_sample(const Distribution& distribution, Generator rng);

/// log_prob of a draw with its noise is log_prob of the same z without it.
void check_draw_density(const Posterior& q, Generator rng);
/// Draws follow log_prob of draws with their noise, and that is normalised, for posteriors that know no other density:
/// E_q[f r/q] = E_r[f] for a Gaussian r inside of q.
void check_own_density(const Posterior& q, const Support& support, Generator rng);
/// Draws of different data, draws, and calls have nothing to do with each other.
void check_independent(const Posterior& q, Generator rng);
/// Marginals add up to log_prob, and each depends on its own coordinate only.
void check_marginals(const Posterior& q, Generator rng);
/// location() and covariance() are those of the draws. Skipped without covariance.
void check_moments(const Posterior& q, int finite_moments, Generator rng);
/// entropy() is the mean of −log q.
void check_entropy(const Posterior& q, Generator rng);
/// Model::kl of a posterior of the model's family, where closed, is the mean of log q − log p.
void check_kl(Model& model, const Posterior& q, Generator rng);
/// Gradients through draws are those of the expectation: E ∇f(z) against E f(z) ∇log q(z), for params [1, n], x [1, …].
void check_pathwise(VariationalFamily& family, const Tensor& params, const Tensor& x, Generator rng);

/// The same for the family under test, at random parameters. Skipped where its density is Unsupported.
void check_pathwise(const Case& test);

/// cross_entropy(q) is the mean of −log p over draws of q.
void check_cross_entropy(Prior& prior, const Posterior& q, Generator rng);
/// gaussian() has the density log_prob.
void check_gaussian(Prior& prior, Generator rng);

// Likelihoods, made for data of P values in one dimension, [P], with P = 1 or 2; g [n, P].

/// Draws are data of the domain, and the density of such data is finite, at the domain's ends too.
void check_domain(Likelihood& likelihood, const Tensor& g, Generator rng);
/// The probabilities of all data add up to 1: over what is drawn, if the draws are discrete.
void check_normalised(Likelihood& likelihood, const Tensor& g, Generator rng);
/// Draws follow the density. P = 1.
void check_sample(Likelihood& likelihood, const Tensor& g, Generator rng);
/// Draws of different data, data values and calls have nothing to do with each other; for any P ≥ 2.
void check_independent(Likelihood& likelihood, const Tensor& g, Generator rng);
/// mean() is the density's. P = 1.
void check_mean(Likelihood& likelihood, const Tensor& g, Generator rng);
/// gram() with kFisher is the expectation under the model of the gradient's outer product.
void check_fisher(Likelihood& likelihood, const Tensor& g, Generator rng);
/// gram() with kHessian is the second derivative of nll: x [B, data…], g [B, n, data…], t [T, B, n, data…].
void check_hessian(Likelihood& likelihood, const Tensor& x, const Tensor& g, const Tensor& t);
/// gram() is symmetric, in every form that is there.
void check_gram_symmetric(Likelihood& likelihood, const Tensor& x, const Tensor& g, const Tensor& t);

// What the checks are made of.

/// Nodes of an integral over an interval that follow where draws [m] lie: uniform in u ∈ [−reach, reach], with
/// z = T(centre + scale·sinh u), T from R to the support. Tails as heavy as |z|^−1.5 are integrated to the end.
struct Nodes {
  Tensor z;           ///< [n], ascending
  Tensor log_weight;  ///< [n], logarithm of the dz that a node stands for
  Tensor u;           ///< [n]
};
Nodes quadrature_nodes(const Tensor& draws, const Support& support, int64_t n, double reach);
/// exp(log_density)·dz; NaN far out, where squares overflow, counts as nothing, and elsewhere fails.
Tensor masses(const Nodes& nodes, const Tensor& log_density, const std::string& name);
/// Fails unless draws [m] follow the distribution function through (z, cumulative masses), by Kolmogorov–Smirnov.
void expect_drawn_from(const Tensor& draws, const Nodes& nodes, const Tensor& mass, const std::string& name);
/// [m, …] -> tanh of the standardised values, by median and quartiles: bounded, and free of units.
Tensor squashed(const Tensor& values);
/// Fails if |mean of a·b over the first dimension − product of means| is beyond chance.
void expect_uncorrelated(const Tensor& a, const Tensor& b, const std::string& what);
/// Fails unless |found − expected| ≤ 5.5 standard errors (+ rounding), elementwise; says what is commonly wrong where
/// `latents` is given.
void expect_close(const Tensor& found, const Tensor& expected, const Tensor& standard_error,
                  const std::string& found_name, const std::string& expected_name, int64_t latents = 0);

}  // namespace variform::conformance
