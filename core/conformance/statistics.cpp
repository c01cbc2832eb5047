// See statistics.h. Nodes and proposals live in coordinates in which any support is all of R and any distribution has
// its median at 0 and the quartiles of a standard normal one.

#include "conformance/statistics.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <variform/ext/levels.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "conformance/causes.h"

namespace variform::conformance {
namespace {

constexpr int64_t kDraws = 20000, kPilot = 4000;
constexpr double kErrors = 5.5;       // standard errors that are still chance, over many comparisons
constexpr double kQuadrature = 2e-3;  // the error of a jump of the density between two nodes

std::string number(const Tensor& tensor) { return text_of(item(tensor)); }

// --- coordinates -----------------------------------------------------------------------------------------------

struct Mapped {
  Tensor z, log_slope;  // log dz/dt
};

Tensor to_line(const Tensor& z, const Support& support) {
  const bool low = std::isfinite(support.low), high = std::isfinite(support.high);
  constexpr double kEnd = 700;  // for a draw that rounding put on the support's edge
  if (low && high) {
    const Tensor part = (z - support.low) / (support.high - support.low);
    return (part.log() - (-part).log1p()).clamp(-kEnd, kEnd);
  }
  if (low) return (z - support.low).log().clamp(-kEnd, kEnd);
  if (high) return (-(support.high - z).log()).clamp(-kEnd, kEnd);
  return z;
}

Mapped from_line(const Tensor& t, const Support& support) {
  const bool low = std::isfinite(support.low), high = std::isfinite(support.high);
  if (low && high) {
    const double width = support.high - support.low;
    return {support.low + width * t.sigmoid(), std::log(width) + at::log_sigmoid(t) + at::log_sigmoid(-t)};
  }
  if (low) return {support.low + t.exp(), t};
  if (high) return {support.high - (-t).exp(), -t};
  return {t, at::zeros_like(t)};
}

Tensor log_cosh(const Tensor& u) { return u.abs() + (-2 * u.abs()).exp().log1p() - std::log(2.0); }

struct Scaling {
  Tensor centre, scale;  // [...]
};

// Computes the scaling by median and quartiles, over the first dimension.
Scaling scaling_of(const Tensor& t) {
  const Tensor sorted = std::get<0>(t.sort(0));
  const auto quantile = [&](double p) {
    return sorted[static_cast<int64_t>(p * static_cast<double>(t.size(0) - 1))];
  };
  Tensor scale = (quantile(0.75) - quantile(0.25)) / 1.349;
  scale = at::where(scale > 0, scale, (quantile(0.99) - quantile(0.01)) / 4.65);
  return {quantile(0.5), scale};
}

Scaling scaling_of(const Tensor& t, const std::string& name) {
  const Scaling scaling = scaling_of(t);
  if (!(scaling.scale > 0).all().item<bool>() || !at::isfinite(scaling.scale).all().item<bool>())
    fail("draws of " + name + " are all the same, or not finite, though it has a density");
  return scaling;
}

// The frame t = centre + scale · L y for standardised, uncorrelated y.
struct Frame {
  Tensor centre, scale, factor;  // [d], [d], [d, d]

  Frame(const Tensor& t, const std::string& name) {  // [m, d]
    const Scaling scaling = scaling_of(t, name);
    centre = scaling.centre;
    scale = scaling.scale;
    const int64_t m = t.size(0), d = t.size(1);
    // Uses correlations of normal scores, which exist however heavy the tails are. Small ones are chance, and would
    // tilt the proposal's axes away from those of heavy tails.
    const Tensor ranks = t.argsort(int64_t{0}).argsort(int64_t{0}).to(at::kDouble);
    const Tensor scores = at::special_ndtri((ranks + 0.5) / static_cast<double>(m));
    Tensor correlation = scores.t().mm(scores) / static_cast<double>(m);
    correlation = at::where(correlation.abs() < 0.08, at::zeros_like(correlation), correlation);
    const Tensor eye = at::eye(d, t.options());
    correlation = 0.97 * correlation * (1 - eye) + eye;
    const auto [lower, info] = at::linalg_cholesky_ex(correlation);
    factor = item(info) == 0 ? lower : eye;
  }
  Tensor to_t(const Tensor& y) const { return centre + scale * y.mm(factor.t()); }
  Tensor to_y(const Tensor& t) const {
    return at::linalg_solve_triangular(factor, ((t - centre) / scale).t(), /*upper=*/false).t();
  }
  double log_det() const { return item((factor.diagonal().abs() * scale).log().sum()); }
};

// --- importance sampling ------------------------------------------------------------------------------------------

struct Weighted {
  Tensor z, weight;  // [n, d], [n]: density / proposal
};

// The proposal has independent y = sinh v, v Cauchy up to |v| ≤ 40: heavier tails than any power of |z|.
Weighted importance_sample(const Distribution& distribution, int64_t n, Generator& rng) {
  constexpr double kScale = 0.8, kReach = 40;
  const Tensor pilot = distribution.sample(kPilot, rng);
  const Frame frame(to_line(pilot, distribution.support), distribution.name);
  const double angle = std::atan(kReach / kScale);
  const Tensor v = kScale * (angle * (2 * at::rand({n, pilot.size(1)}, rng, pilot.options()) - 1)).tan();
  const Tensor log_v = -(v / kScale).square().log1p() - std::log(2 * angle * kScale);
  const Mapped mapped = from_line(frame.to_t(v.sinh()), distribution.support);
  const Tensor log_proposal = (log_v - log_cosh(v)).sum(1) - frame.log_det() - mapped.log_slope.sum(1);
  const Tensor inside = ((mapped.z > distribution.support.low) & (mapped.z < distribution.support.high) &
                         at::isfinite(mapped.log_slope))
                            .all(1);
  const Tensor z = at::where(inside.unsqueeze(1), mapped.z, pilot[0]);
  const Tensor log_density = distribution.log_prob(z);
  const Tensor weight = at::where(inside, (log_density - log_proposal).exp(), at::zeros_like(log_density));
  const Tensor odd = at::isnan(weight) & (v.abs() < 15).all(1);
  if (odd.any().item<bool>()) fail("log_prob of " + distribution.name + " is NaN for some z in its support");
  return {z, at::where(at::isnan(weight), at::zeros_like(weight), weight)};
}

// Returns bounded test functions of standardised values [n, d] -> [n, 2m], sines and cosines.
Tensor waves(const Tensor& y, const Tensor& frequencies) {
  const Tensor angle = y.mm(frequencies.t());
  return at::cat({angle.sin(), angle.cos()}, 1);
}
Tensor make_frequencies(int64_t d, Generator& rng, const at::TensorOptions& options) {
  return at::cat({0.7 * at::eye(d, options), 0.8 * at::randn({16, d}, rng, options)});
}

Tensor error_of_mean(const Tensor& values) {  // over the first dimension
  return values.std(0) / std::sqrt(static_cast<double>(values.size(0)));
}

// Compares draws with weighted points, by the means of bounded functions of both.
void compare_characters(const Distribution& distribution, const Weighted& points, Generator& rng) {
  const Tensor draws = to_line(distribution.sample(kDraws, rng), distribution.support);
  const Scaling scaling = scaling_of(draws, distribution.name);
  const Tensor frequencies = make_frequencies(draws.size(1), rng, draws.options());
  const Tensor seen = waves((draws - scaling.centre) / scaling.scale, frequencies);
  const Tensor there =
      waves((to_line(points.z, distribution.support) - scaling.centre) / scaling.scale, frequencies);
  const Tensor weight = (points.weight / points.weight.sum()).unsqueeze(1);
  const Tensor expected = (weight * there).sum(0);
  const Tensor error = (weight * (there - expected)).square().sum(0).sqrt();
  const Tensor found = seen.mean(0);
  const Tensor off = (found - expected).abs() / (error.square() + error_of_mean(seen).square()).sqrt();
  if (item(off.max()) > kErrors)
    fail("draws of " + distribution.name +
         " do not follow exp(log_prob): the mean of a sine of standardised coordinates is " +
         number(found[off.argmax()]) + " over draws and " + number(expected[off.argmax()]) +
         " by the density, " + number(off.max()) + " standard errors apart");
}

// --- posteriors ------------------------------------------------------------------------------------------------

// Returns a posterior's draws in the checks' own precision; the draw itself keeps its noise.
Draw drawn(const Posterior& q, int64_t n, Generator& rng) {
  const at::NoGradGuard no_grad;
  return q.rsample(n, rng);
}

void expect_one(const Tensor& values, const std::string& what, int64_t latents) {
  const double total = item(values.mean()), error = item(error_of_mean(values));
  if (std::abs(total - 1) <= kErrors * error + 1e-3) return;
  const std::string cause = cause_of_total(std::log(total), latents);
  fail(what + " is " + text_of(total) + " ± " + text_of(error) + "; expected 1" +
       (cause.empty() ? "" : "." + cause));
}

}  // namespace

// --- parts of the checks --------------------------------------------------------------------------------------------

Nodes quadrature_nodes(const Tensor& draws, const Support& support, int64_t n, double reach) {
  const Scaling scaling = scaling_of(to_line(draws, support), "it");
  const Tensor u = at::linspace(-reach, reach, n, draws.options());
  const Mapped mapped = from_line(scaling.centre + scaling.scale * u.sinh(), support);
  const Tensor log_weight =
      mapped.log_slope + scaling.scale.log() + log_cosh(u) + std::log(2 * reach / static_cast<double>(n - 1));
  const Tensor kept = at::isfinite(mapped.z) & at::isfinite(log_weight) & (mapped.z > support.low) &
                      (mapped.z < support.high);
  return {mapped.z.index({kept}), log_weight.index({kept}), u.index({kept})};
}

Tensor masses(const Nodes& nodes, const Tensor& log_density, const std::string& name) {
  const Tensor mass = (log_density + nodes.log_weight).exp(), odd = at::isnan(mass);
  const Tensor near = odd & (nodes.u.abs() < 20);
  if (near.any().item<bool>()) fail("log_prob of " + name + " is NaN at " + number(nodes.z.index({near})[0]));
  return at::where(odd, at::zeros_like(mass), mass);
}

void expect_drawn_from(const Tensor& draws, const Nodes& nodes, const Tensor& mass, const std::string& name) {
  constexpr double kLambda = 3;  // exceeded by chance with probability 3e-8
  // Half of a node's mass lies on either side of it.
  const Tensor cumulative = (mass.cumsum(0) - 0.5 * mass) / mass.sum();
  const Tensor sorted = std::get<0>(draws.contiguous().sort(0));
  const int64_t n = sorted.size(0), last = nodes.z.size(0) - 1;
  const Tensor right = at::searchsorted(nodes.z.contiguous(), sorted).clamp(1, last), left = right - 1;
  const Tensor z0 = nodes.z.index({left}), z1 = nodes.z.index({right});
  const Tensor part = ((sorted - z0) / (z1 - z0).clamp_min(1e-300)).clamp(0, 1);
  const Tensor model = cumulative.index({left}) * (1 - part) + cumulative.index({right}) * part;
  const Tensor empirical = (at::arange(n, model.options()) + 0.5) / static_cast<double>(n);
  const Tensor distance = (model - empirical).abs();
  if (!(item(distance.max()) <= kLambda / std::sqrt(static_cast<double>(n)) + kQuadrature)) {
    const Tensor at = distance.argmax(), quarters = at::tensor({0.25, 0.5, 0.75}, cumulative.options());
    const Tensor places = at::searchsorted(cumulative, quarters).clamp_max(last);
    const Tensor quartiles = sorted.index({(quarters * static_cast<double>(n)).to(at::kLong)});
    fail("draws of " + name + " do not follow exp(log_prob): " + number(100 * empirical[at]) +
         " % of them lie below " + number(sorted[at]) + ", where the density has " + number(100 * model[at]) +
         " % of its mass." + cause_of_draws(quartiles, nodes.z.index({places})));
  }
}

Tensor squashed(const Tensor& values) {
  const Scaling scaling = scaling_of(values);
  return ((values - scaling.centre) / scaling.scale.clamp_min(1e-12)).tanh();
}

void expect_uncorrelated(const Tensor& a, const Tensor& b, const std::string& what) {
  const Tensor x = a - a.mean(0), y = b - b.mean(0);
  const Tensor scale = ((x.square()).mean(0) * (y.square()).mean(0)).sqrt().clamp_min(1e-12);
  const Tensor correlation = ((x * y).mean(0) / scale).abs();
  const double largest = item(correlation.max());
  if (!(largest * std::sqrt(static_cast<double>(a.size(0))) <= kErrors))
    fail(what + " have a correlation of " + text_of(largest) + "; they must be independent");
}

void expect_close(const Tensor& found, const Tensor& expected, const Tensor& standard_error,
                  const std::string& found_name, const std::string& expected_name, int64_t latents) {
  const Tensor excess =
      ((found - expected).abs() - 1e-7 * (1 + expected.abs())) / standard_error.clamp_min(1e-12);
  if (item(excess.max()) <= kErrors && !at::isnan(excess).any().item<bool>()) return;
  const Tensor at = excess.flatten().argmax();
  const auto worst = [&](const Tensor& tensor) { return number(tensor.expand_as(excess).flatten()[at]); };
  const std::string cause = latents > 0 ? cause_of(found, expected, standard_error, latents) : std::string();
  fail(found_name + " is " + worst(found) + "; " + expected_name + " is " + worst(expected) + " ± " +
       worst(standard_error) + (cause.empty() ? "" : "." + cause));
}

// --- any distribution ----------------------------------------------------------------------------------------------

Distribution distribution_of(const Posterior& q, int64_t row, const Support& support) {
  return {"q(z|x)", support,
          [&q, row](int64_t n, Generator& rng) { return drawn(q, n, rng).z.select(1, row); },
          [&q, row](const Tensor& z) {
            const at::NoGradGuard no_grad;
            return q.log_prob({z.unsqueeze(1), {}}).select(1, row);
          }};
}

Distribution distribution_of(Prior& prior) {
  const at::TensorOptions options = at::kDouble;
  return {"p(z)", prior.support(),
          [&prior, options](int64_t n, Generator& rng) {
            const at::NoGradGuard no_grad;
            return prior.sample(n, rng, context_for(prior, n, options));
          },
          [&prior, options](const Tensor& z) {
            const at::NoGradGuard no_grad;
            return prior.log_prob(z, context_for(prior, z.size(-2), options));
          }};
}

void check_support(const Distribution& distribution, Generator rng) {
  const Tensor z = distribution.sample(kDraws, rng);
  const Support& support = distribution.support;
  const Tensor outside = (z < support.low) | (z > support.high);
  if (outside.any().item<bool>())
    fail("support() says that draws of " + distribution.name + " lie in [" + text_of(support.low) + ", " +
         text_of(support.high) + "], and one is " + number(z.index({outside})[0]));
}

void check_normalised(const Distribution& distribution, Generator rng) {
  const Tensor draws = distribution.sample(kPilot, rng);
  distribution.log_prob(draws.slice(0, 0, 1));  // Unsupported comes before any complaint about draws
  if (draws.size(1) > 1) {
    expect_one(
        importance_sample(distribution, kDraws, rng).weight,
        fmt::format("the integral of exp(log_prob) of {} for d = {}", distribution.name, draws.size(1)),
        draws.size(1));
    return;
  }
  const Nodes nodes = quadrature_nodes(draws.flatten(), distribution.support, 40001, 100);
  const double total =
      item(masses(nodes, distribution.log_prob(nodes.z.unsqueeze(1)), distribution.name).sum());
  if (!(std::abs(total - 1) <= kQuadrature))
    fail("the integral of exp(log_prob) of " + distribution.name + " for d = 1 is " + text_of(total) +
         "; expected 1." + cause_of_total(std::log(total), 1));
}

void check_sample(const Distribution& distribution, Generator rng) {
  const Tensor draws = distribution.sample(2 * kDraws, rng);
  distribution.log_prob(draws.slice(0, 0, 1));
  if (draws.size(1) > 1) {
    compare_characters(distribution, importance_sample(distribution, 2 * kDraws, rng), rng);
    return;
  }
  scaling_of(draws, distribution.name);
  const Nodes nodes = quadrature_nodes(draws.flatten(), distribution.support, 40001, 100);
  const Tensor log_density = distribution.log_prob(nodes.z.unsqueeze(1));
  expect_drawn_from(draws.flatten(), nodes, masses(nodes, log_density, distribution.name), distribution.name);
}

// --- posteriors ------------------------------------------------------------------------------------------------

void check_draw_density(const Posterior& q, Generator rng) {
  const Draw draw = drawn(q, 50, rng);
  if (!draw.state.defined()) skip("its draws have no noise");
  const at::NoGradGuard no_grad;
  const Tensor foreign = q.log_prob({draw.z, {}}), own = q.log_prob(draw);
  const Tensor error = (own - foreign).abs() / (1 + foreign.abs());
  if (item(error.max()) <= 1e-6) return;
  const Tensor difference = own - foreign;  // [K, B]
  std::string cause = cause_of(own, foreign, at::zeros_like(own), draw.z.size(-1));
  if (cause.empty() && item(difference.std(0).max()) <= 1e-6 * (1 + item(difference.abs().max())))
    cause =
        " For each example they differ by its own constant: is the logarithm of a scale or of a "
        "Jacobian's determinant missing?";
  fail("log_prob of a draw with its noise is " + number(own.flatten()[error.argmax()]) +
       ", and of the same z without it " + number(foreign.flatten()[error.argmax()]) + "." + cause);
}

void check_own_density(const Posterior& q, const Support& support, Generator rng) {
  constexpr double kInside = 0.5;  // r's deviation, relative to q's
  const Draw pilot = drawn(q, kPilot, rng), draw = drawn(q, 2 * kDraws, rng);
  const at::NoGradGuard no_grad;
  const Tensor log_q = q.log_prob(draw);
  for (int64_t b = 0; b < draw.z.size(1); ++b) {
    const Frame frame(to_line(pilot.z.select(1, b), support), "q(z|x)");
    const Tensor t = to_line(draw.z.select(1, b), support), y = frame.to_y(t) / kInside;
    const double d = static_cast<double>(t.size(1));
    const Tensor log_r = -0.5 * (y.square() + kLogTwoPi).sum(1) - frame.log_det() - d * std::log(kInside);
    const Tensor ratio = (log_r - log_q.select(1, b) - from_line(t, support).log_slope.sum(1)).exp();
    expect_one(ratio, "the mean over draws z of q(z|x) of r(z)/exp(log_prob), for a normalised density r,",
               t.size(1));
    const Tensor frequencies = make_frequencies(t.size(1), rng, t.options());
    const Tensor waved = ratio.unsqueeze(1) * waves(y, frequencies);
    const Tensor cosines = (-0.5 * frequencies.square().sum(1)).exp();
    expect_close(waved.mean(0), at::cat({at::zeros_like(cosines), cosines}), error_of_mean(waved) + 2e-4,
                 "draws do not follow log_prob: the mean over them of f(z) r(z)/exp(log_prob)",
                 "the mean of f under r");
  }
}

void check_independent(const Posterior& q, Generator rng) {
  const Draw first = drawn(q, kDraws, rng), second = drawn(q, kDraws, rng);
  const Tensor a = squashed(first.z), b = squashed(second.z);  // [n, B, d]
  expect_uncorrelated(a, b, "draws of two calls of rsample");
  expect_uncorrelated(a.slice(0, 1), a.slice(0, 0, -1), "a draw and the next one of the same call");
  if (a.size(1) > 1)
    expect_uncorrelated(a.slice(1, 1).unsqueeze(-1), a.slice(1, 0, -1).unsqueeze(-2),
                        "draws of two rows of a batch");
}

void check_marginals(const Posterior& q, Generator rng) {
  const Draw draw = drawn(q, 50, rng);
  const at::NoGradGuard no_grad;
  const Tensor parts = q.log_marginals({draw.z, {}}), whole = q.log_prob({draw.z, {}});
  const Tensor error = (parts.sum(-1) - whole).abs() / (1 + whole.abs());
  if (!(item(error.max()) <= 1e-8))
    fail("marginals add up to " + number(parts.sum(-1).flatten()[error.argmax()]) + "; log_prob is " +
         number(whole.flatten()[error.argmax()]));
  Tensor other = draw.z.clone();
  other.select(-1, 0).copy_(draw.z.select(-1, 0).roll({1}, {0}));
  const Tensor changed = (q.log_marginals({other, {}}) - parts).abs().slice(-1, 1);
  if (changed.numel() > 0 && !(item(changed.max()) <= 1e-9))
    fail("a marginal changes by " + number(changed.max()) +
         " with another coordinate of z; each must depend on its own alone");
}

void check_moments(const Posterior& q, int finite_moments, Generator rng) {
  const std::optional<Covariance> covariance = q.covariance();
  if (!covariance) skip("it gives no covariance");
  if (finite_moments < 2)
    fail(
        fmt::format("it gives a covariance, though finite_moments() says that only the first {} moments of "
                    "its draws are finite",
                    finite_moments));
  const at::NoGradGuard no_grad;
  const Tensor z = drawn(q, 2 * kDraws, rng).z, location = q.location();
  expect_close(location, z.mean(0), error_of_mean(z), "location()", "the mean of draws");
  if (finite_moments < 4) return;  // a second moment has no standard error
  const Tensor e = z - location, products = e.unsqueeze(-1) * e.unsqueeze(-2);
  expect_close(covariance->dense().expand_as(products[0]), products.mean(0), error_of_mean(products),
               "an entry of covariance()", "that of draws", z.size(-1));
}

void check_entropy(const Posterior& q, Generator rng) {
  const std::optional<Tensor> entropy = q.entropy();
  if (!entropy) skip("it has no entropy in closed form");
  const Draw draw = drawn(q, kDraws, rng);
  const at::NoGradGuard no_grad;
  const Tensor information = -q.log_prob(draw);
  expect_close(*entropy, information.mean(0), error_of_mean(information), "entropy()",
               "the mean of −log_prob over draws", draw.z.size(-1));
}

void check_kl(Model& model, const Posterior& q, Generator rng) {
  const Context context = context_for(model.prior(), q.location().size(0), model.options);
  const bool closed = model.has_closed_kl(q, context);
  if (!closed && !ability<PosteriorLevels>(q)) skip("KL has no closed form with a Gaussian prior");
  const int needed = model.prior().moments_needed(), finite = model.family().finite_moments();
  if (finite < needed) skip("KL with a Gaussian prior is infinite");
  if (finite < 2 * needed) skip("a Monte Carlo estimate of KL has no finite variance");
  const Draw draw = drawn(q, kDraws, rng);
  const at::NoGradGuard no_grad;
  const Tensor ratio = q.log_prob(draw) - model.log_prior(draw.z, context);
  const std::optional<Tensor> by_levels =
      closed ? std::nullopt : partly_closed_kl(model.prior(), q, draw, context);
  if (by_levels)
    return expect_close(by_levels->mean(0), ratio.mean(0), error_of_mean(ratio - *by_levels),
                        "KL(q‖N(0, I)) closed level by level", "the mean of log q − log p over draws",
                        draw.z.size(-1));
  if (!closed) skip("KL has no closed form with a Gaussian prior");
  expect_close(model.kl(q, draw, context), ratio.mean(0), error_of_mean(ratio),
               "KL(q‖N(0, I)) in closed form", "the mean of log q − log p over draws", draw.z.size(-1));
}

namespace {

void expect_sizes(const std::vector<int64_t>& levels, int64_t latent) {
  const int64_t sum = std::accumulate(levels.begin(), levels.end(), int64_t{0});
  if (sum != latent || std::any_of(levels.begin(), levels.end(), [](int64_t size) { return size < 1; }))
    fail(fmt::format("the sizes of levels() must be positive and add up to {}; found {}", latent,
                     to_text(levels)));
}

void expect_level_density(const LevelMoments& moments, const Tensor& z, const Tensor& log_prob) {
  const Tensor e = (z - moments.mean) * (-moments.log_deviation).exp();
  const Tensor sum = -(0.5 * (e.square() + kLogTwoPi) + moments.log_deviation).sum(-1);
  const Tensor error = (sum - log_prob).abs() / (1 + log_prob.abs());
  if (!(item(error.max()) <= 1e-8))
    fail("the normal log-densities of level_moments() add up to " + number(sum.flatten()[error.argmax()]) +
         "; log_prob is " + number(log_prob.flatten()[error.argmax()]));
}

}  // namespace

void check_levels(const Posterior& q, Generator rng) {
  const auto* known = ability<PosteriorLevels>(q);
  if (!known) skip("its latents are not in levels");
  const Draw draw = drawn(q, 50, rng), elsewhere{draw.z, {}};
  const at::NoGradGuard no_grad;
  const int64_t d = draw.z.size(-1);
  expect_sizes(known->levels(), d);
  for (const Draw& at : {draw, elsewhere})
    expect_level_density(known->level_moments(at), at.z, q.log_prob(at));
  const LevelMoments here = known->level_moments(elsewhere);
  int64_t first = 0;
  for (int64_t size : known->levels()) {
    Tensor other = draw.z.clone();
    other.narrow(-1, first, size).copy_(draw.z.narrow(-1, first, size).roll({1}, {0}));
    const LevelMoments there = known->level_moments({other, {}});
    const Tensor changed = (there.mean - here.mean).abs() + (there.log_deviation - here.log_deviation).abs();
    if (const Tensor most = changed.narrow(-1, first, d - first).max(); !(item(most) <= 1e-9))
      fail(
          "moments of a level change by " + number(most) +
          " with coordinates of its own or of a level before it; they must depend on the levels after it alone");
    first += size;
  }
}

void check_levels(Prior& prior, Generator rng) {
  auto* known = ability<PriorLevels>(prior);
  if (!known) skip("its latents are not in levels");
  const at::NoGradGuard no_grad;
  const Context context = context_for(prior, 50, at::kDouble);
  const Tensor z = prior.sample(50, rng, context);
  expect_sizes(known->levels(), z.size(1));
  LevelMoments all{z.narrow(1, 0, 0), z.narrow(1, 0, 0)};
  int64_t index = 0;
  for (int64_t size : known->levels()) {
    const int64_t end = all.mean.size(1) + size;
    const LevelMoments level = known->level_moments(index++, z.slice(1, end), context);
    all = {at::cat({all.mean, level.mean}, 1), at::cat({all.log_deviation, level.log_deviation}, 1)};
  }
  expect_level_density(all, z, prior.log_prob(z, context));
}

void check_pathwise(VariationalFamily& family, const Tensor& params, const Tensor& x, Generator rng) {
  constexpr int64_t kGroups = 64, kEach = 400;  // each row of a batch is a separate estimate
  Shape rows = x.sizes().vec();
  rows[0] = kGroups;
  const Tensor inputs = params.detach().expand({kGroups, params.size(1)}).clone().requires_grad_(true);
  const auto q = family.posterior(inputs, x.expand(rows).clone(), context_for(family, kGroups, x.options()));
  const Tensor z = q->rsample(kEach, rng).z, log_q = q->log_prob({z.detach(), {}});
  const Tensor flat = to_line(z.detach(), family.support()).flatten(0, 1);
  const Scaling scaling = scaling_of(flat, "q(z|x)");
  const Tensor phase = at::linspace(0.3, 1.2, z.size(-1), z.options());
  const Tensor f = ((to_line(z, family.support()) - scaling.centre) / scaling.scale + phase).sin().sum(-1);
  const Tensor surrogate = ((f - f.mean()).detach() * log_q).mean(0).sum();
  const auto gradient = [&](const Tensor& loss) {
    if (!loss.requires_grad()) return at::zeros_like(inputs);
    const Tensor found = torch::autograd::grad({loss}, {inputs}, {}, /*retain_graph=*/true, false, true)[0];
    return found.defined() ? found : at::zeros_like(inputs);
  };
  // E_q[∇ log q] = 0 where the integral and the derivative can be exchanged, on which the score function relies.
  const Tensor slope = gradient(log_q.mean(0).sum());
  if (at::logical_and(slope.mean(0).abs() > 1e-9, slope.mean(0).abs() > 8 * error_of_mean(slope))
          .any()
          .item<bool>())
    skip(
        "where q(z|x) has density depends on its parameters, so that there is no score function to compare "
        "with");
  const Tensor pathwise = gradient(f.mean(0).sum()), score = gradient(surrogate);  // [groups, n]
  expect_close(pathwise.mean(0), score.mean(0), error_of_mean(pathwise - score),
               "the gradient of E_q[f(z)] through draws", "E_q[f(z) ∇log q(z)], which is the same,");
}

// --- priors ------------------------------------------------------------------------------------------------------

void check_cross_entropy(Prior& prior, const Posterior& q, Generator rng) {
  const at::NoGradGuard no_grad;
  const Context context = context_for(prior, q.location().size(0), q.location().options());
  const std::optional<Tensor> cross = prior.cross_entropy(q, context);
  if (!cross) skip("it has no cross-entropy in closed form with a Gaussian posterior");
  const Tensor information = -prior.log_prob(drawn(q, kDraws, rng).z, context);
  expect_close(*cross, information.mean(0), error_of_mean(information), "cross_entropy(q)",
               "the mean of −log_prob over draws of q", q.location().size(-1));
}

void check_gaussian(Prior& prior, Generator rng) {
  const at::NoGradGuard no_grad;
  const Context context = context_for(prior, 50, at::kDouble);
  const std::optional<Gaussian> gaussian = prior.gaussian(context_for(prior, 1, at::kDouble));
  if (!gaussian) skip("it is not a Gaussian distribution");
  const Tensor z = prior.sample(50, rng, context), log_prob = prior.log_prob(z, context);
  const Covariance covariance = gaussian->covariance.to(at::kDouble);
  const Tensor white = covariance.whiten((z - gaussian->mean).unsqueeze(1)).squeeze(1);
  const Tensor expected = -0.5 * ((white.square() + kLogTwoPi).sum(-1) + covariance.log_det());
  const Tensor error = (log_prob - expected).abs() / (1 + log_prob.abs());
  if (!(item(error.max()) <= 1e-8))
    fail("gaussian() has the log density " + number(expected[error.argmax()]) + " where log_prob is " +
         number(log_prob[error.argmax()]) + "." +
         cause_of(expected, log_prob, at::zeros_like(log_prob), z.size(1)));
}

}  // namespace variform::conformance
