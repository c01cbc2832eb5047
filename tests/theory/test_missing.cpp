// Missing values: likelihoods of what was observed against sums over masks, and probabilistic PCA with missing entries,
// whose likelihood, posterior and imputation are known.

#include "catch.h"
#include "models.h"

#include <variform/ext/likelihood.h>
#include <variform/gaussian_posterior.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>
#include <numbers>

namespace variform::test::missing {  // beside others whose names are the same, in one unit
namespace {

constexpr int64_t kP = 5, kD = 2, kRows = 6;
constexpr double kVariance = 0.3;

Tensor bits(int64_t rows, int64_t seed) { return normal({rows, kP}, seed) > 0; }

// x of the model's domain, for nll.
Tensor data_of(Domain domain, int64_t rows) {
  const Tensor real = normal({rows, kP}, 3);
  switch (domain) {
    case Domain::kReal: return real;
    case Domain::kUnitInterval: return (real.sigmoid() * 255).round() / 255;
    case Domain::kBinary:
    case Domain::kCategorical: return (real > 0).to(at::kDouble);
    case Domain::kCount: return (3 * real.abs()).floor();
  }
  return real;
}

struct Named {
  const char* name;
  Values values;
};

const Named kLikelihoods[] = {
    {"gaussian", {{"variance", num(kVariance)}}},
    {"gaussian", {{"variance", num(kVariance)}, {"learned", num(1)}, {"per_value", num(1)}}},
    {"gaussian", {{"optimal", num(1)}}},
    {"laplace", {{"scale", num(0.4)}}},
    {"logistic", {{"scale", num(0.4)}}},
    {"student-t", {{"df", num(4)}, {"scale", num(0.7)}}},
    {"poisson", {}},
    {"bernoulli", {}},
    {"continuous-bernoulli", {}},
    {"categorical", {{"classes", num(3)}}},
    {"discretised-logistic", {}},
    {"discretised-logistic-mixture", {{"components", num(2)}}},
};

// Calls for each of them, built and in evaluation mode.
void for_each_likelihood(const std::function<void(Likelihood&)>& call) {
  for (const Named& named : kLikelihoods) {
    INFO(named.name);
    Assembly model(kP, kD);
    model.with(Kind::kLikelihood, named.name, named.values);
    Likelihood& likelihood = model->likelihood();
    likelihood.eval();
    REQUIRE(likelihood.admits_missing());
    call(likelihood);
  }
}

TEST_CASE("nll of complementary masks adds up, and random masks estimate it without bias") {
  for_each_likelihood([](Likelihood& likelihood) {
    const Tensor x = data_of(likelihood.domain(), kRows);
    const Tensor g = normal({2, kRows, likelihood.outputs(), kP}, 4), mask = bits(kRows, 5);
    const auto nll = [&](const Tensor& observed) {
      return likelihood.nll(x.masked_fill(observed.logical_not(), 0), g, {.mask = observed});
    };
    const Tensor whole = likelihood.nll(x, g, {});
    CHECK(error(nll(mask) + nll(mask.logical_not()), whole) < 1e-12);
    // The expectation over masks of independent values, each observed with probability p: all 2^P of them.
    const double p = 0.3;
    Tensor expected = at::zeros_like(whole);
    for (int64_t which = 0; which < (1 << kP); ++which) {
      Tensor one = at::zeros({kP}, at::kBool);
      double weight = 1;
      for (int64_t i = 0; i < kP; ++i) {
        const bool observed = (which >> i) & 1;
        one[i] = observed;
        weight *= observed ? p : 1 - p;
      }
      expected = expected + weight * nll(one.expand({kRows, kP})) / p;
    }
    CHECK(error(expected, whole) < 1e-12);
  });
}

TEST_CASE("the curvature of observed values is that of nll, by autograd twice") {
  for_each_likelihood([](Likelihood& likelihood) {
    const Tensor mask = bits(kRows, 5),
                 x = data_of(likelihood.domain(), kRows).masked_fill(mask.logical_not(), 0);
    const Context context{.mask = mask};
    const int64_t n = likelihood.outputs();
    const Tensor g = normal({kRows, n, kP}, 6).requires_grad_(), t = normal({2, kRows, n, kP}, 7);
    Tensor form;
    try {
      form = likelihood.curvature_form(x, g, t, Curvature::kHessian, context);
    } catch (const Unsupported&) {
      return;  // Laplace
    }
    const Tensor first = torch::autograd::grad({likelihood.nll(x, g, context).sum()}, {g}, {}, true, true)[0];
    for (int64_t i = 0; i < 2; ++i) {
      const Tensor second = torch::autograd::grad({(first * t[i]).sum()}, {g}, {}, true, false, true)[0];
      if (!second.defined()) continue;
      for (int64_t j = 0; j < 2; ++j)
        CHECK(error(form.select(1, i).select(1, j), (second * t[j]).flatten(1).sum(1)) < 1e-9);
    }
  });
}

TEST_CASE("the optimal variance of a batch is that of its observed values") {
  Assembly model(kP, kD);
  model.with(Kind::kLikelihood, "gaussian", {{"optimal", num(1)}});
  Likelihood& likelihood = model->likelihood();
  likelihood.train();
  const Tensor mask = bits(kRows, 5), x = normal({kRows, kP}, 8).masked_fill(mask.logical_not(), 0),
               g = normal({2, kRows, 1, kP}, 9);
  const Tensor squares = (x.unsqueeze(1) - g).square().masked_fill(mask.logical_not().unsqueeze(1), 0);
  const Tensor count = mask.sum(), variance = squares.sum() / (2 * count);
  const Tensor expected = 0.5 * (squares.flatten(2).sum(2) / variance +
                                 mask.sum(1) * (variance.log() + std::log(2 * std::numbers::pi)));
  CHECK(error(likelihood.nll(x, g, {.mask = mask}), expected) < 1e-12);
}

// An encoder that gives the exact posterior mean, by a formula of x and the context.
class Exact final : public Encoder {
 public:
  std::function<Tensor(const Tensor& x, const Context& context)> mean;
  Tensor encode(const Tensor& x, const Context& context) override { return mean(x, context); }
};

// Probabilistic PCA of which only some entries of x are observed: each row's own rows of W.
struct Incomplete final {
  Assembly model{kP, kD, 3};
  Tensor mask = bits(kRows, 6);
  Tensor x = normal({kRows, kP}, 5).masked_fill(mask.logical_not(), 0);
  Context context{.mask = mask};

  explicit Incomplete(const Values& objective) {
    model.with(Kind::kLikelihood, "gaussian", {{"variance", num(kVariance)}});
    model.with(Kind::kPrior, "gaussian").with(Kind::kFamily, "point").with(Kind::kDecoder, "linear");
    const auto encoder = std::make_shared<Exact>();
    encoder->mean = [this](const Tensor& rows, const Context& own) {
      const Tensor w = weight(own.mask);
      const Tensor off = (rows - bias()).masked_fill(own.mask.logical_not(), 0);
      const Tensor pull = w.transpose(1, 2).bmm(off.unsqueeze(-1)) / kVariance;
      return at::linalg_solve(precision(own.mask), pull).squeeze(-1).detach();
    };
    model->set(Kind::kEncoder, encoder, "exact");
    model.with(Kind::kObjective, "grae", objective);
  }
  Tensor bias() { return *model->decoder().named_parameters().find("network.0.bias"); }
  Tensor full_weight() { return *model->decoder().named_parameters().find("network.0.weight"); }
  // W with zeros in the rows of what is missing, [B, P, d].
  Tensor weight(const Tensor& observed) { return full_weight() * observed.unsqueeze(2).to(at::kDouble); }
  Tensor precision(const Tensor& observed) {
    const Tensor w = weight(observed);
    return w.transpose(1, 2).bmm(w) / kVariance + at::eye(kD, w.options());
  }
  // −log p(x_o), row by row: a Gaussian of the observed entries alone.
  Tensor nll() {
    std::vector<Tensor> rows;
    for (int64_t i = 0; i < kRows; ++i) {
      const Tensor observed = mask[i].nonzero().flatten(), w = full_weight().index_select(0, observed),
                   off = (x[i] - bias()).index_select(0, observed);
      const auto n = static_cast<double>(observed.numel());
      const Tensor covariance = w.mm(w.t()) + kVariance * at::eye(observed.numel(), w.options());
      rows.push_back(0.5 *
                     (off.dot(at::linalg_solve(covariance, off)) +
                      std::get<1>(at::linalg_slogdet(covariance)) + n * std::log(2 * std::numbers::pi)));
    }
    return at::stack(rows);
  }
};

TEST_CASE("GRAE of a linear model at β = 1 is the likelihood of the observed entries") {
  Incomplete made({{"beta", num(1)}, {"structure", txt("full")}});
  const Batch batch{made.x, made.context, kRows};
  const Tensor loss = made.model->evaluate(batch).loss, expected = made.nll();
  CHECK(error(loss, expected) < 1e-10);
  for (const Tensor& parameter : {made.full_weight(), made.bias()})
    CHECK(error(torch::autograd::grad({loss.sum()}, {parameter}, {}, true)[0],
                torch::autograd::grad({expected.sum()}, {parameter}, {}, true)[0]) < 1e-10);
  // What is missing has no say, and a mask that is forgotten has.
  Batch other = batch;
  other.x = made.x + normal({kRows, kP}, 8).masked_fill(made.mask, 0);
  CHECK(error(made.model->evaluate(other).loss, expected) < 1e-10);
  other = batch;
  other.context = {};
  other.context.mask = at::ones_like(made.mask);
  CHECK(error(made.model->evaluate(other).loss, expected) > 1e-2);
}

TEST_CASE("H counts observed values, as the exact posterior of each row does") {
  Incomplete made({{"beta", num(0.5)}, {"structure", txt("diagonal")}});
  const Tensor z = normal({kRows, kD}, 7);
  const Tensor hessian =
      made.model->latent_hessian(made.x, z, made.model->unit_tangents(kRows), made.context).hessian;
  CHECK(error(hessian, made.precision(made.mask) - at::eye(kD, at::kDouble)) < 1e-12);
  const Batch batch{made.x, made.context, kRows};
  const Tensor diagonal = made.model->evaluate(batch).loss;
  made.model.with(Kind::kObjective, "grae", {{"beta", num(0.5)}, {"structure", txt("full")}});
  CHECK((diagonal - made.model->evaluate(batch).loss).min().item<double>() > -1e-12);
}

TEST_CASE("the exact posterior of the observed entries has a constant importance weight") {
  Incomplete made({{"beta", num(1)}, {"structure", txt("full")}});
  const Tensor h = made.model->encoder().encode(made.x, made.context),
               covariance = at::linalg_inv(made.precision(made.mask));
  const GaussianPosterior exact(h, Covariance::cholesky({at::linalg_cholesky(covariance)}));
  Generator rng = testing::generator(2);
  const Draw draw = exact.rsample(4, rng);
  const Tensor log_w = made.model->log_prior(draw.z, made.context) -
                       made.model->nll(made.x, made.model->decode(draw.z, made.context), made.context) -
                       exact.log_prob(draw);
  CHECK(error(log_w, -made.nll().expand_as(log_w)) < 1e-10);
}

}  // namespace
}  // namespace variform::test::missing
