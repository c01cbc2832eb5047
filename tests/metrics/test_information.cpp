// Mutual information, the aggregate posterior and each latent's divergence against closed forms.

#include "measure/evaluated.h"

#include <variform/gaussian_posterior.h>
#include <variform/testing.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <vector>

#include "metrics/information.h"

namespace variform::metrics {
namespace {

using nlohmann::json;
namespace test = measure::test;
using test::Setup;

// N data in batches with posteriors N(h_n, Σ), h_n and their draws from `rng`.
AggregatePosterior linear_gaussian(int64_t n, const at::Tensor& centre, const at::Tensor& spread,
                                   const at::Tensor& root, Generator rng) {
  AggregatePosterior aggregate;
  for (int64_t first = 0; first < n; first += 500) {
    const int64_t batch = std::min<int64_t>(500, n - first);
    const at::Tensor h = centre + at::randn({batch, 3}, rng, at::kDouble).mm(spread.t());
    auto posterior =
        std::make_unique<GaussianPosterior>(h, Covariance::cholesky({root.expand({batch, 3, 3})}));
    const at::Tensor z = posterior->rsample(1, rng).z[0];
    aggregate.add(std::move(posterior), z);
  }
  return aggregate;
}

TEST_CASE(
    "the mean KL of a linear Gaussian model splits into its mutual information and the aggregate's "
    "divergence") {
  const at::NoGradGuard no_grad;
  auto session = test::open(Setup{});
  Model& model = session->assembly->model();
  const at::Tensor eye = at::eye(3, at::kDouble), centre = at::tensor({0.5, -0.2, 0.0}, at::kDouble);
  const at::Tensor spread =
      at::tensor({0.9, 0.0, 0.0, 0.3, 0.7, 0.0, 0.0, 0.0, 0.5}, at::kDouble).reshape({3, 3});
  const at::Tensor root =
      at::tensor({0.6, 0.0, 0.0, 0.2, 0.7, 0.0, 0.1, 0.0, 0.8}, at::kDouble).reshape({3, 3});
  const auto aggregate = linear_gaussian(6000, centre, spread, root, testing::generator(4));
  const auto log = aggregate.densities(model, 2000);

  const at::Tensor inner = root.mm(root.t()), outer = inner + spread.mm(spread.t());
  const double information = 0.5 * (at::logdet(outer) - at::logdet(inner)).item<double>();
  const double divergence =
      0.5 * (outer.trace() + centre.square().sum() - 3 - at::logdet(outer)).item<double>();
  const auto close = [](const at::Tensor& values, double expected) {
    const double error = values.std().item<double>() / std::sqrt(static_cast<double>(values.size(0)));
    INFO(values.mean().item<double>() << " for " << expected << ", error " << error);
    CHECK(std::abs(values.mean().item<double>() - expected) < 4 * error);
    CHECK(error < 0.1 * expected);
  };
  close(log.own - log.aggregate, information);
  close(log.aggregate - log.prior, divergence);
}

TEST_CASE("a draw's density is its own posterior's, and the mixture's is the mean of all") {
  const at::NoGradGuard no_grad;
  auto session = test::open(Setup{});
  Generator rng = testing::generator(5);
  AggregatePosterior aggregate;
  std::vector<at::Tensor> means, deviations, draws;
  for (int64_t batch : {4, 3}) {
    means.push_back(at::randn({batch, 3}, rng, at::kDouble));
    deviations.push_back(0.5 + at::rand({batch, 3}, rng, at::kDouble));
    draws.push_back(at::randn({batch, 3}, rng, at::kDouble));
    aggregate.add(std::make_unique<GaussianPosterior>(means.back(), Covariance::diagonal(deviations.back())),
                  draws.back());
  }
  const auto log = aggregate.densities(session->assembly->model(), 4);
  const at::Tensor index = at::tensor({0, 1, 3, 5}, at::kLong);  // evenly spread
  const at::Tensor z = at::cat(draws).index_select(0, index), deviation = at::cat(deviations);
  const at::Tensor scaled = (z.unsqueeze(1) - at::cat(means)) / deviation;
  const at::Tensor all =
      (-0.5 * scaled.square() - deviation.log() - 0.5 * std::log(2 * std::numbers::pi)).sum(2);  // [4, 7]
  CHECK(test::largest(log.own - all.gather(1, index.unsqueeze(1)).squeeze(1)) < 1e-12);
  CHECK(test::largest(log.aggregate - all.exp().mean(1).log()) < 1e-12);
}

TEST_CASE("codes far apart tell log N, codes all alike nothing") {
  const at::NoGradGuard no_grad;
  auto session = test::open(Setup{});
  const auto of = [&](double distance) {
    AggregatePosterior aggregate;
    for (int64_t first : {0, 4}) {
      const at::Tensor h = distance * (first + at::arange(4, at::kDouble)).unsqueeze(1).expand({4, 3});
      aggregate.add(
          std::make_unique<GaussianPosterior>(h, Covariance::diagonal(at::ones({4, 3}, at::kDouble))),
          h + 0.1);
    }
    const auto log = aggregate.densities(session->assembly->model(), 5);  // rows 0, 1, 3, 4, 6
    return log.own - log.aggregate;
  };
  CHECK(test::largest(of(100) - std::log(8.0)) < 1e-12);
  CHECK(test::largest(of(0)) < 1e-12);
}

TEST_CASE("each latent's KL is closed for Gaussian posteriors, and by Monte Carlo for others") {
  const json diagonal = test::evaluate(*test::open(Setup{}));
  const auto sum = [](const json& result) {
    return result.at("information").at("latent_kl").at("value").get<double>();
  };
  const auto kl = [](const json& result) { return result.at("values").at("kl").at("mean").get<double>(); };
  CHECK(sum(diagonal) == testing::Approx(kl(diagonal)).epsilon(1e-12));
  double latents = 0;
  for (const json& one : diagonal.at("information_arrays").at("latent_kl")) latents += one.get<double>();
  CHECK(latents == testing::Approx(kl(diagonal)).epsilon(1e-12));

  // Full: short of the whole by ½[Σ log Σ_ii − log det Σ].
  auto correlated = test::open(Setup{.encoder = "mlp", .family = "type = \"full\""});
  const json full = test::evaluate(*correlated);
  CHECK(sum(full) < kl(full));
  CHECK_THAT(full.at("information").at("latent_kl").at("what").get<std::string>(),
             testing::ContainsSubstring("in closed form"));

  measure::EvaluateOptions many;
  many.samples = 400;
  many.importance_samples = 0;
  const json logistic = test::evaluate(*test::open(Setup{.family = "type = \"logistic\""}), many);
  CHECK_THAT(logistic.at("information").at("latent_kl").at("what").get<std::string>(),
             testing::ContainsSubstring("Monte Carlo"));
  CHECK(logistic.at("kl") == "closed");
  CHECK(sum(logistic) == testing::Approx(kl(logistic)).margin(0.05));

  const json laplace = test::evaluate(*test::open(Setup{.prior = "laplace"}));
  CHECK_THAT(laplace.at("information").at("latent_kl").at("undefined").get<std::string>(),
             testing::ContainsSubstring("the marginals of prior laplace"));
  CHECK(laplace.at("information").at("mutual_information").contains("value"));
  const json point = test::evaluate(
      *test::open(Setup{.family = "type = \"point\"", .objective = "type = \"grae\", beta = 0.5"}));
  CHECK_THAT(point.at("information").at("mutual_information").at("undefined").get<std::string>(),
             testing::ContainsSubstring("no density"));
}

}  // namespace
}  // namespace variform::metrics
