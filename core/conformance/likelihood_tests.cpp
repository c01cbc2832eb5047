// Tests likelihoods as distributions of data, and their second derivatives. Sums and integrals over all data are
// computed for one and for two data values, where they are exact.

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <variform/random.h>

#include <cmath>

#include <fmt/format.h>

#include "conformance/causes.h"
#include "conformance/exercise.h"
#include "conformance/statistics.h"

namespace variform::conformance {
namespace {

constexpr int64_t kDrawsOfLikelihood = 20000;
constexpr double kTail = 20;  // in u: nodes beyond it are 10⁸ deviations away

// Returns n draws of one row of P values, [n, P].
Tensor draws_of(Likelihood& likelihood, const Tensor& g, int64_t n, Generator& rng) {
  const at::NoGradGuard no_grad;
  return likelihood.sample(g.expand({n, 1, g.size(0), g.size(1)}), rng).reshape({n, g.size(1)});
}

// Returns −log p of many rows [n, P] for one g.
Tensor nll_of(Likelihood& likelihood, const Tensor& x, const Tensor& g) {
  return likelihood.nll(x, g.expand({x.size(0), g.size(0), g.size(1)}), {});
}

// All values that an example can take, with the dx of each; u = 0 where they are discrete.
struct Possible {
  Nodes nodes;
  bool discrete = false;
  bool guessed = false;  // the values are known from draws alone
};

Possible of_atoms(const Tensor& atoms) {
  return {{atoms, at::zeros_like(atoms), at::zeros_like(atoms)}, true};
}

// Repeated draws are discrete; the spacing of their values is then the smallest distance between `others`, which are
// draws for other outputs too.
Possible values_of(Domain domain, const Tensor& draws, const Tensor& others, int64_t outputs, int64_t n,
                   double reach) {
  const Tensor unique = std::get<0>(at::_unique(draws));
  const auto numbers = [&](double first, double last, double step) {
    return of_atoms(first + step * at::arange(std::llround((last - first) / step) + 1, draws.options()));
  };
  const double least = item(unique.min()), most = item(unique.max());
  if (domain == Domain::kBinary) return numbers(0, 1, 1);
  if (domain == Domain::kCount) return numbers(0, std::floor(4 * most + 100), 1);
  if (domain == Domain::kCategorical) return numbers(0, std::max(most, static_cast<double>(outputs) - 1), 1);
  const bool unit = domain == Domain::kUnitInterval;
  if (2 * unique.numel() > draws.numel())
    return {quadrature_nodes(draws, unit ? Support{0, 1} : Support{}, n, reach), false};
  const Tensor sorted = std::get<0>(std::get<0>(at::_unique(others)).sort());
  const double gap = sorted.numel() > 1 ? item((sorted.slice(0, 1) - sorted.slice(0, 0, -1)).min()) : 1;
  const double width = most - least;
  Possible values = unit ? numbers(0, 1, 1 / std::round(1 / gap))
                         : numbers(least - 3 * width - 10 * gap, most + 3 * width + 10 * gap, gap);
  values.guessed = true;
  return values;
}

// All data with their probabilities, which need not add up to 1.
struct Data {
  Tensor x;     // [n, P]
  Tensor mass;  // [n]
  Possible values;
};

Tensor density_of(Likelihood& likelihood, const Tensor& x, const Tensor& g) {
  const at::NoGradGuard no_grad;
  return -nll_of(likelihood, x, g);
}

Data all_data(Likelihood& likelihood, const Tensor& g, Generator& rng) {
  const Tensor draws = draws_of(likelihood, g, 4000, rng);
  const Tensor others = at::cat({draws.flatten(), draws_of(likelihood, 0 * g, 4000, rng).flatten(),
                                 draws_of(likelihood, 0 * g + 0.5, 4000, rng).flatten()});
  const int64_t outputs = likelihood.outputs();
  if (g.size(1) == 1) {
    Possible values = values_of(likelihood.domain(), draws.flatten(), others, outputs, 40001, 100);
    const Tensor x = values.nodes.z.unsqueeze(1);
    return {x, masses(values.nodes, density_of(likelihood, x, g), "p(x|g)"), std::move(values)};
  }
  const Possible first = values_of(likelihood.domain(), draws.select(1, 0), others, outputs, 501, 25);
  const Possible second = values_of(likelihood.domain(), draws.select(1, 1), others, outputs, 501, 25);
  const auto crossed = [](const Tensor& a, const Tensor& b) {
    const auto both = at::meshgrid({a, b}, "ij");
    return std::pair(both[0].flatten(), both[1].flatten());
  };
  const auto [x0, x1] = crossed(first.nodes.z, second.nodes.z);
  const auto [w0, w1] = crossed(first.nodes.log_weight, second.nodes.log_weight);
  const auto [u0, u1] = crossed(first.nodes.u, second.nodes.u);
  const Tensor x = at::stack({x0, x1}, 1);
  if (x.numel() * outputs > 20'000'000) skip("there are too many pairs of values to add all up");
  const Nodes nodes{x0, w0 + w1, at::maximum(u0.abs(), u1.abs())};
  return {x,
          masses(nodes, density_of(likelihood, x, g), "p(x|g)"),
          {nodes, first.discrete, first.guessed || second.guessed}};
}

// Checks whether atoms are drawn too often or too seldom; rare ones together.
void expect_frequencies(const Tensor& draws, const Data& data) {
  const double n = static_cast<double>(draws.numel());
  const Tensor expected = n * data.mass / data.mass.sum(), atoms = data.x.flatten();
  const Tensor nearest = (draws.unsqueeze(1) - atoms).abs().argmin(1);
  const Tensor found = at::bincount(nearest, {}, atoms.numel()).to(at::kDouble);
  const Tensor common = expected >= 25;
  const auto with_rest = [&](const Tensor& counts) {
    return at::cat({counts.index({common}), counts.index({~common}).sum().unsqueeze(0)});
  };
  const Tensor e = with_rest(expected), o = with_rest(found);
  const Tensor off = (o - e).abs() / (e * (1 - e / n)).clamp_min(10).sqrt();
  if (item(off.max()) <= 5.5) return;
  const int64_t worst = off.argmax().item<int64_t>();
  const std::string which = worst + 1 < off.numel() ? text_of(item(atoms.index({common})[worst]))
                                                    : std::string("one of the rare values");
  fail("draws of p(x|g) do not follow exp(−nll): " + text_of(100 * item(o[worst]) / n) + " % of them are " +
       which + ", whose probability is " + text_of(100 * item(e[worst]) / n) + " %");
}

}  // namespace

void check_domain(Likelihood& likelihood, const Tensor& g, Generator rng) {
  const Domain domain = likelihood.domain();
  const Tensor x = draws_of(likelihood, g, kDrawsOfLikelihood, rng);
  const bool whole = domain == Domain::kBinary || domain == Domain::kCount || domain == Domain::kCategorical;
  Tensor outside = whole ? x != x.round() : at::zeros_like(x, at::kBool);
  double low = 0, high = 1;
  if (domain == Domain::kReal) low = -(high = 100);
  if (domain == Domain::kCount) high = 1000;
  if (domain == Domain::kCategorical) high = std::max(1.0, static_cast<double>(likelihood.outputs()) - 1);
  if (domain != Domain::kReal) outside = outside | (x < 0);
  if (domain != Domain::kReal && domain != Domain::kCount) outside = outside | (x > high);
  const std::string words = std::string("domain() says '") + to_string(domain) + "'";
  if (outside.any().item<bool>()) fail(words + ", and a draw is " + text_of(item(x.index({outside})[0])));
  for (double value : {low, high}) {
    const Tensor end = at::full({1, g.size(1)}, value, g.options());
    const Tensor log_density = density_of(likelihood, end, g);
    if (!at::isfinite(log_density).all().item<bool>())
      fail(words + ", and nll is " + text_of(-item(log_density)) + " for x = " + text_of(value));
  }
}

void check_normalised(Likelihood& likelihood, const Tensor& g, Generator rng) {
  const Data data = all_data(likelihood, g, rng);
  const double total = item(data.mass.sum());
  // The plane has fewer nodes, whose tails end earlier; values that are never drawn are missing.
  const double integral = g.size(1) == 1 ? 2e-3 : 2e-2;
  const double tolerance = !data.values.discrete ? integral : data.values.guessed ? 2e-3 : 1e-6;
  if (!(std::abs(total - 1) <= tolerance))
    fail(fmt::format("{} of exp(−nll) over all data of {}{}{}; expected 1 ± {}{}",
                     data.values.discrete ? "the sum" : "the integral", g.size(1),
                     g.size(1) == 1 ? " value is " : " values is ", text_of(total), text_of(tolerance),
                     g.size(1) == 1 ? "." + cause_of_total(std::log(total), 1) : std::string()));
}

void check_sample(Likelihood& likelihood, const Tensor& g, Generator rng) {
  const Data data = all_data(likelihood, g, rng);
  const Tensor draws = draws_of(likelihood, g, kDrawsOfLikelihood, rng).flatten();
  if (data.values.discrete) expect_frequencies(draws, data);
  else expect_drawn_from(draws, data.values.nodes, data.mass, "p(x|g)");
}

void check_independent(Likelihood& likelihood, const Tensor& g, Generator rng) {
  const at::NoGradGuard no_grad;
  const auto draw = [&] {  // [n, 2, P]
    const Tensor wide = g.expand({kDrawsOfLikelihood, 2, g.size(0), g.size(1)});
    return (likelihood.sample(wide, rng).to(at::kDouble) - likelihood.mean(wide)).clamp(-100, 100);
  };
  const Tensor a = draw(), b = draw();
  expect_uncorrelated(a, b, "draws of two calls of sample");
  expect_uncorrelated(a.select(1, 0), a.select(1, 1), "draws of two rows of a batch");
  expect_uncorrelated(a.select(2, 0), a.select(2, 1), "draws of two values of an example");
}

void check_mean(Likelihood& likelihood, const Tensor& g, Generator rng) {
  const Data data = all_data(likelihood, g, rng);
  const at::NoGradGuard no_grad;
  const Tensor x = data.x.flatten(), part = data.mass / data.mass.sum();
  const Tensor tail = data.values.nodes.u.abs() > kTail;
  if (item((part * x.abs()).index({tail}).sum()) > 1e-2) skip("its mean does not exist");
  const double expected = item((part * x).sum()), found = item(likelihood.mean(g.unsqueeze(0)));
  const double deviation = std::sqrt(item((part * (x - expected).square().clamp_max(1e6)).sum()));
  if (!(std::abs(found - expected) <= 2e-3 * (deviation + std::abs(expected)) + 1e-9))
    fail("mean(g) is " + text_of(found) + "; that of exp(−nll) is " + text_of(expected));
}

void check_fisher(Likelihood& likelihood, const Tensor& g, Generator rng) {
  const int64_t n = g.size(0), P = g.size(1);
  const Tensor t = at::eye(n * P, g.options()).reshape({n * P, 1, n, P});
  const Tensor found = [&] {
    const at::NoGradGuard no_grad;
    return likelihood.curvature_form(at::zeros({1, P}, g.options()), g.unsqueeze(0), t, Curvature::kFisher,
                                     {})[0];
  }();
  const Data data = all_data(likelihood, g, rng);
  const Tensor kept = data.mass > 1e-14, x = data.x.index({kept}), mass = data.mass.index({kept});
  const Tensor wide = g.expand({x.size(0), n, P}).clone().requires_grad_(true);
  const Tensor gradient =
      torch::autograd::grad({likelihood.nll(x, wide, {}).sum()}, {wide})[0].flatten(1);  // [points, n·P]
  const Tensor expected = gradient.t().mm(gradient * (mass / mass.sum()).unsqueeze(1));
  const Tensor error = (found - expected).abs();
  if (!(item(error.max()) <= (P == 1 ? 3e-3 : 2e-2) * std::max(item(expected.abs().max()), 1e-6)))
    fail("curvature_form(fisher) has the entry " + text_of(item(found.flatten()[error.argmax()])) +
         "; the mean under the model of the gradient's outer product has " +
         text_of(item(expected.flatten()[error.argmax()])));
}

void check_hessian(Likelihood& likelihood, const Tensor& x, const Tensor& g, const Tensor& t) {
  const Tensor found = likelihood.curvature_form(x, g, t, Curvature::kHessian, {}).detach();  // [B, T, T]
  const auto gradient = [&](const Tensor& where) {
    const Tensor leaf = where.detach().clone().requires_grad_(true);
    return torch::autograd::grad({likelihood.nll(x, leaf, {}).sum()}, {leaf})[0];
  };
  const int64_t T = t.size(0);
  for (int64_t i = 0; i < T; ++i) {
    double best = INFINITY, seen = 0, said = 0;
    for (double step : {1e-5, 1e-6, 1e-7}) {  // the best one, since a kink inside one step is not an error
      const Tensor change = (gradient(g + step * t[i]) - gradient(g - step * t[i])) / (2 * step);
      const Tensor expected = (t * change).flatten(2).sum(-1).t();  // [B, T]
      const Tensor error = (found.select(1, i) - expected).abs();
      const double relative = item(error.max()) / std::max(1.0, item(expected.abs().max()));
      if (!(relative < best) && std::isfinite(relative)) continue;
      best = relative;
      seen = item(expected.flatten()[error.argmax()]);
      said = item(found.select(1, i).flatten()[error.argmax()]);
      if (best <= 1e-6) break;
    }
    if (!(best <= 1e-6))
      fail("curvature_form(hessian) is " + text_of(said) +
           " for two random tangents; differences of nll's gradient give " + text_of(seen));
  }
}

void check_gram_symmetric(Likelihood& likelihood, const Tensor& x, const Tensor& g, const Tensor& t) {
  const at::NoGradGuard no_grad;
  int forms = 0;
  for (Curvature curvature : {Curvature::kHessian, Curvature::kFisher}) try {
      const Tensor gram = likelihood.curvature_form(x, g, t, curvature, {});
      const Tensor error = (gram - gram.transpose(-1, -2)).abs();
      ++forms;
      if (!(item(error.max()) <= 1e-10 * std::max(1.0, item(gram.abs().max()))))
        fail(std::string("curvature_form(") + to_string(curvature) + ") differs from its transpose by " +
             text_of(item(error.max())));
    } catch (const Unsupported&) {
      continue;
    }
  if (forms == 0) skip("it has no second derivative in any form");
}

namespace {

// Calls check(likelihood, g, rng) for some g, with data of `values` values.
template <class Check>
void each_output(const Case& test, int64_t values, const Check& check) {
  test.extent();
  std::unique_ptr<Rig> rig;
  try {
    rig = std::make_unique<Rig>(test, RigOptions{.data = {values}});
  } catch (const std::exception&) {
    skip(fmt::format("it cannot be made for data of {} value(s): {}", values, message_of_exception()));
  }
  Likelihood& likelihood = rig->as<Likelihood>();
  if_supported([&] {
    for (std::uint64_t i = 0; i < 3; ++i)
      check(likelihood, rig->normal({likelihood.outputs(), values}, hash(test.seed, "g", i)),
            test.generator("values"));
  });
}

using Check = void (*)(Likelihood&, const Tensor&, Generator);

void domain(const Case& test) { each_output(test, 1, check_domain); }
void likelihood_normalised(const Case& test) {
  each_output(test, 1, static_cast<Check>(check_normalised));
  try {
    each_output(test, 2, static_cast<Check>(check_normalised));
  } catch (const Verdict& verdict) {
    if (verdict.outcome != Outcome::kFail) throw;
    fail(std::string(verdict.what()) +
         ". For data of one value it is 1: is nll the mean over an example's values instead of their sum?");
  }
}

// Checks that an image's nll is that of its values in one dimension, if the likelihood takes its values one by one.
void reduction(const Case& test) {
  constexpr int64_t kRows = 3;
  const Shape shape{2, 2, 3};
  const auto made = [&](const Shape& data) -> std::unique_ptr<Rig> {
    try {
      return std::make_unique<Rig>(test, RigOptions{.data = data});
    } catch (const std::exception&) {
      skip("it cannot be made for data of shape " + to_text(data) + ": " + message_of_exception());
    }
  };
  const auto images = made(shape), flat = made({12});
  if (!images->parameters().empty() || !images->component().buffers().empty())
    skip("it has a state, which need not be the same for images and for their values");
  const int64_t n = images->as<Likelihood>().outputs();
  if (flat->as<Likelihood>().outputs() != n) skip("how many outputs it has depends on the data's shape");
  const Tensor x = images->data(kRows, hash(test.seed, "x")),
               g = images->normal({kRows, n, 2, 2, 3}, hash(test.seed, "g"));
  const at::NoGradGuard no_grad;
  Tensor of_images, of_values;
  if_supported([&] {
    of_images = images->as<Likelihood>().nll(x, g, {});
    of_values = flat->as<Likelihood>().nll(x.flatten(1), g.flatten(2), {});
  });
  const Tensor error = (of_images - of_values).abs() / (1 + of_values.abs());
  if (item(error.max()) <= 1e-9) return;
  const Tensor ratio = of_images / of_values;
  const std::string numbers = "nll of images " + to_text(shape) + " is " + text_of(item(of_images[0])) +
                              ", and of the same values in one dimension " + text_of(item(of_values[0]));
  for (int64_t part : {2, 3, 4, 6, 12})
    if (item((ratio * static_cast<double>(part) - 1).abs().max()) < 1e-9)
      fail(
          fmt::format("{}, {} times as much: is a mean taken over some of the dimensions? nll is a sum over "
                      "all values of an example",
                      numbers, part));
  warn(numbers +
       "; where an image's values are taken one by one the two are the same: does the sum go over all "
       "dimensions?");
}
void likelihood_sample_density(const Case& test) { each_output(test, 1, static_cast<Check>(check_sample)); }
void likelihood_independent(const Case& test) { each_output(test, 2, static_cast<Check>(check_independent)); }
void mean(const Case& test) { each_output(test, 1, check_mean); }
void fisher(const Case& test) {
  each_output(test, 1, check_fisher);
  each_output(test, 2, check_fisher);
}

// Uses data of the usual size.
template <class Check>
void on_data(const Case& test, const Check& check) {
  Rig rig(test);
  Shape shape = rig.model().data;
  const auto with = [&](std::initializer_list<int64_t> leading) {
    Shape all(leading);
    all.push_back(rig.as<Likelihood>().outputs());
    all.insert(all.end(), shape.begin(), shape.end());
    return all;
  };
  if_supported([&] {
    check(rig.as<Likelihood>(), rig.data(3, hash(test.seed, "x")),
          rig.normal(with({3}), hash(test.seed, "g")), rig.normal(with({3, 3}), hash(test.seed, "t")));
  });
}

void hessian(const Case& test) { on_data(test, check_hessian); }
void gram_symmetric(const Case& test) { on_data(test, check_gram_symmetric); }

// The nll of observed values alone: missing ones change neither value nor gradient, and nothing observed has nll 0.
void missing(const Case& test) {
  constexpr int64_t kRows = 4;
  Rig rig(test);
  rig.component().eval();
  Likelihood& likelihood = rig.as<Likelihood>();
  if (!likelihood.admits_missing()) skip("it needs all values");
  const std::vector<Input> inputs = make_inputs(rig, kRows, test.seed);
  const Tensor x = inputs.at(0).value, g = inputs.at(1).value.detach().requires_grad_();
  Generator rng = testing::generator(hash(test.seed, "mask"));
  const Tensor mask = at::rand(x.sizes(), rng, at::TensorOptions().dtype(at::kDouble)) < 0.5;
  const auto nll = [&](const Tensor& rows, const Tensor& observed) {
    return likelihood.nll(rows, g, {.mask = observed});
  };
  const Tensor whole = likelihood.nll(x, g, {}), all = nll(x, at::ones_like(mask));
  if (!at::allclose(all, whole, 1e-9, 1e-9))
    fail("nll with a mask that excludes nothing is not nll without a mask");
  const Tensor none = nll(at::zeros_like(x), at::zeros_like(mask));
  if (none.abs().max().item<double>() > 1e-9)
    fail(
        "nll is not 0 where no value was observed: a constant of every value must be counted for observed values only "
        "(with_constant() does)");
  const Tensor some = nll(x.masked_fill(mask.logical_not(), 0), mask);
  if (!at::allclose(some, nll(x, mask), 1e-9, 1e-9)) fail("nll depends on values that the mask excludes");
  const Tensor gradient = torch::autograd::grad({some.sum()}, {g})[0];
  if (gradient.masked_fill(mask.unsqueeze(1), 0).abs().max().item<double>() > 0)
    fail("nll has a gradient in the decoder's outputs of values that the mask excludes");
}

}  // namespace

std::vector<Test> likelihood_tests() {
  const char* group = "likelihood";
  const std::vector<Kind> kind{Kind::kLikelihood};
  return {
      {"domain",
       group,
       "Its draws are data of its domain, and their nll is finite, at the domain's ends too.",
       kind,
       {"rows"},
       domain},
      {"normalised",
       group,
       "The probabilities of all data add up to 1, for data of one value and of two.",
       kind,
       {"domain"},
       likelihood_normalised},
      {"reduction",
       group,
       "The nll of an image is that of its values in one dimension: a sum over all of them.",
       kind,
       {"normalised"},
       reduction},
      {"sample-density",
       group,
       "Its draws follow exp(−nll): Kolmogorov–Smirnov, or the frequencies of discrete values.",
       kind,
       {"normalised"},
       likelihood_sample_density},
      {"mean", group, "mean() is the mean of exp(−nll).", kind, {"normalised"}, mean},
      {"independence",
       group,
       "Draws of different data, data values and calls are independent.",
       kind,
       {"sample-density", "mean"},
       likelihood_independent},
      {"curvature-symmetric",
       group,
       "Its second derivatives between tangents are symmetric.",
       kind,
       {"rows"},
       gram_symmetric},
      {"hessian",
       group,
       "Its exact second derivative is that of nll, by differences of the gradient.",
       kind,
       {"gradients", "curvature-symmetric", "reduction"},
       hessian},
      {"fisher",
       group,
       "Its Fisher information is the mean under the model of the gradient's outer product.",
       kind,
       {"gradients", "curvature-symmetric", "normalised"},
       fisher},
      {"missing",
       group,
       "Where it admits missing values, they change neither nll nor its gradient, and nothing observed is 0 nats.",
       kind,
       {"gradients", "reduction"},
       missing},
  };
}

}  // namespace variform::conformance
