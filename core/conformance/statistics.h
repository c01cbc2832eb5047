#pragma once
// Checks whether a distribution is what it says: by quadrature in one dimension, by importance sampling in several, by
// Monte Carlo with its standard error. `variform check` uses this on plugins, the tests of the theory on every family.
// Each check returns if the property holds; otherwise it throws a Verdict that says what was found (kFail), or why the
// question does not apply (kSkipped), or lets Unsupported leave. All are for float64. Statistical tolerances are beyond
// five standard errors, so that a right distribution passes with any seed.

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

/// q(z|x) of one row of a batch; `q` must outlive it.
Distribution distribution_of(const Posterior& q, int64_t row, const Support& support);
/// p(z); `prior` must outlive it.
Distribution distribution_of(Prior& prior);

/// Checks that draws lie in the support.
void check_support(const Distribution& distribution, Generator rng);
/// Checks that the density integrates to 1.
void check_normalised(const Distribution& distribution, Generator rng);
/// Checks that draws follow the density up to a factor: Kolmogorov–Smirnov for d = 1, else characteristic functions.
void check_sample(const Distribution& distribution, Generator rng);

/// Checks that log_prob of a draw with its noise is log_prob of the same z without it.
void check_draw_density(const Posterior& q, Generator rng);
/// Checks, for posteriors that know no other density, that draws follow the normalised log_prob of draws with their
/// noise: E_q[f r/q] = E_r[f] for a Gaussian r inside of q.
void check_own_density(const Posterior& q, const Support& support, Generator rng);
/// Checks that draws of different rows, draws, and calls are independent.
void check_independent(const Posterior& q, Generator rng);
/// Checks that marginals add up to log_prob, and that each depends on its own coordinate only.
void check_marginals(const Posterior& q, Generator rng);
/// Checks that location() and covariance() are those of the draws. Skipped without covariance.
void check_moments(const Posterior& q, int finite_moments, Generator rng);
/// Checks that entropy() is the mean of −log q.
void check_entropy(const Posterior& q, Generator rng);
/// Checks that Model::kl of a posterior of the model's family, where closed or closed in part, is the mean of
/// log q − log p.
void check_kl(Model& model, const Posterior& q, Generator rng);
/// Checks that the moments of its levels have the density log_prob, and depend on the levels after their own only. Skipped
/// without levels.
void check_levels(const Posterior& q, Generator rng);
/// Checks gradients through draws: E ∇f(z) against E f(z) ∇log q(z), for params [1, n], x [1, …].
void check_pathwise(VariationalFamily& family, const Tensor& params, const Tensor& x, Generator rng);

/// The same for the family under test, at random parameters. Skipped where its density is Unsupported.
void check_pathwise(const Case& test);

/// Checks that cross_entropy(q) is the mean of −log p over draws of q.
void check_cross_entropy(Prior& prior, const Posterior& q, Generator rng);
/// Checks that the moments of its levels have the density log_prob. Skipped without levels.
void check_levels(Prior& prior, Generator rng);
/// Checks that gaussian() has the density log_prob.
void check_gaussian(Prior& prior, Generator rng);

// Likelihoods, made for data of P values in one dimension, [P], with P = 1 or 2; g [n, P].

/// Checks that draws lie in the domain and have a finite density, including at the domain's ends.
void check_domain(Likelihood& likelihood, const Tensor& g, Generator rng);
/// Checks that the probabilities of all data add up to 1: over the drawn values, if draws are discrete.
void check_normalised(Likelihood& likelihood, const Tensor& g, Generator rng);
/// Checks that draws follow the density. P = 1.
void check_sample(Likelihood& likelihood, const Tensor& g, Generator rng);
/// Checks that draws of different rows, data values and calls are independent; for any P ≥ 2.
void check_independent(Likelihood& likelihood, const Tensor& g, Generator rng);
/// Checks that mean() is that of the density. P = 1.
void check_mean(Likelihood& likelihood, const Tensor& g, Generator rng);
/// Checks that curvature_form() with kFisher is the expectation under the model of the gradient's outer product.
void check_fisher(Likelihood& likelihood, const Tensor& g, Generator rng);
/// Checks that curvature_form() with kHessian is the second derivative of nll: x [B, data…], g [B, n, data…], t [T, B, n, data…].
void check_hessian(Likelihood& likelihood, const Tensor& x, const Tensor& g, const Tensor& t);
/// Checks that curvature_form() is symmetric, in every form that exists.
void check_gram_symmetric(Likelihood& likelihood, const Tensor& x, const Tensor& g, const Tensor& t);

// Parts of the checks.

/// Nodes of an integral over an interval, placed by draws [m]: uniform in u ∈ [−reach, reach], with z = T(centre +
/// scale·sinh u), T from R to the support. Tails as heavy as |z|^−1.5 are integrated to the end.
struct Nodes {
  Tensor z;           ///< [n], ascending
  Tensor log_weight;  ///< [n], logarithm of the dz that a node stands for
  Tensor u;           ///< [n]
};
Nodes quadrature_nodes(const Tensor& draws, const Support& support, int64_t n, double reach);
/// Returns exp(log_density)·dz. NaN far out, where squares overflow, counts as zero; elsewhere it fails.
Tensor masses(const Nodes& nodes, const Tensor& log_density, const std::string& name);
/// Fails unless draws [m] follow the distribution function through (z, cumulative masses), by Kolmogorov–Smirnov.
void expect_drawn_from(const Tensor& draws, const Nodes& nodes, const Tensor& mass, const std::string& name);
/// Returns [m, …] -> tanh of the values standardised by median and quartiles: bounded, and free of units.
Tensor squashed(const Tensor& values);
/// Fails if |mean of a·b over the first dimension − product of means| is beyond chance.
void expect_uncorrelated(const Tensor& a, const Tensor& b, const std::string& what);
/// Fails unless |found − expected| ≤ 5.5 standard errors (+ rounding), elementwise; names common mistakes if `latents`
/// is given.
void expect_close(const Tensor& found, const Tensor& expected, const Tensor& standard_error,
                  const std::string& found_name, const std::string& expected_name, int64_t latents = 0);

}  // namespace variform::conformance
