// Evaluation against closed forms: probabilistic PCA, where the theory's approximations are exact (§4, §5, §7), and
// against the order of the bounds elsewhere.

#include "models.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "checkpoint/snapshot.h"
#include "evaluate/estimators.h"
#include "evaluate/evaluate.h"

namespace variform::evaluate {
namespace {

using nlohmann::json;
using test::Folder;
using test::Setup;
using testing::ContainsSubstring;

constexpr double kVariance = 0.3;

double mean(const json& result, const std::string& name) {
  INFO(name << ": " << result.at("values").value(name, json("missing")).dump());
  return result.at("values").at(name).at("mean").get<double>();
}
double error(const json& result, const std::string& name) {
  return result.at("values").at(name).at("se").get<double>();
}
std::string reason(const json& result, const std::string& name) {
  INFO(name << ": " << result.at("values").value(name, json("missing")).dump());
  return result.at("values").at(name).at("undefined").get<std::string>();
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

// Probabilistic PCA with its exact posterior: the encoder is set to the posterior mean at β = 1, and the family
// computes the posterior's covariance.
struct Pca {
  std::unique_ptr<train::Session> session = test::open(Setup{.family = "type = \"optimal\", beta = 1.0"});
  at::Tensor w = test::state(*session, "model/decoder/parameters/network.0.weight");  // [P, d]
  at::Tensor b = test::state(*session, "model/decoder/parameters/network.0.bias");
  at::Tensor precision = at::eye(3, at::kDouble) + w.t().mm(w) / kVariance;  // of the posterior

  Pca() {
    const at::Tensor to_mean = at::linalg_inv(precision).mm(w.t()) / kVariance;
    test::state(*session, "model/encoder/parameters/network.0.weight").copy_(to_mean);
    test::state(*session, "model/encoder/parameters/network.0.bias").copy_(-to_mean.mv(b));
  }
  // −log N(x; b, σ²I + WWᵀ), [N]
  at::Tensor exact(const at::Tensor& x) const {
    const at::Tensor covariance = kVariance * at::eye(7, at::kDouble) + w.mm(w.t()), off = x - b;
    return 0.5 * ((off.mm(at::linalg_inv(covariance)) * off).sum(1) + at::logdet(covariance) +
                  7 * std::log(2 * std::numbers::pi));
  }
};

TEST_CASE("with the exact posterior of probabilistic PCA every value of β = 1 is the marginal likelihood") {
  const Folder folder;
  Pca pca;
  EvaluateOptions options;
  options.beta = 1;
  options.batch = 32;  // several batches
  options.dump = folder / "dump.h5";
  const json result = evaluate(*pca.session, options);
  const checkpoint::Snapshot dump = checkpoint::read(options.dump);
  const at::Tensor exact = pca.exact(dump.tensors.at("x"));
  REQUIRE(exact.size(0) == 100);
  CHECK(result.at("data") == 100);

  for (const char* name : {"is_nll", "is_nll_optimal", "grae", "taylor"}) {
    INFO(name);
    CHECK(largest(dump.tensors.at(std::string("terms/") + name) - exact) < 1e-10);
  }
  CHECK(mean(result, "is_nll") == testing::Approx(exact.mean().item<double>()).epsilon(1e-12));
  CHECK(error(result, "is_nll") == testing::Approx(exact.std().item<double>() / 10).epsilon(1e-10));
  CHECK(mean(result, "is_effective_samples") == testing::Approx(100));
  const at::Tensor noise = dump.tensors.at("terms/elbo") - exact;  // of the draws alone
  CHECK(std::abs(noise.mean().item<double>()) < 4 * noise.std().item<double>() / 10);
  CHECK(largest(dump.tensors.at("terms/elbo") - dump.tensors.at("nll_of_draws").mean(1) -
                dump.tensors.at("terms/kl")) < 1e-12);

  CHECK(result.at("kl") == "closed");
  CHECK(result.at("structure") == "full");
  CHECK(result.at("beta_eff").get<double>() == testing::Approx(kVariance));
  CHECK(result.at("constant").get<double>() ==
        testing::Approx(3.5 * std::log(2 * std::numbers::pi * kVariance)));
}

TEST_CASE(
    "at any β GRAE is the marginal likelihood's closed form, and Taylor exceeds it by β KL to the optimum") {
  const Folder folder;
  Pca pca;
  EvaluateOptions options;
  options.dump = folder / "dump.h5";  // β = 0.5, the objective's
  const json result = evaluate(*pca.session, options);
  const auto tensors = checkpoint::read(options.dump).tensors;
  CHECK(result.at("beta") == 0.5);

  // H is WᵀW/σ² whatever the datum.
  const at::Tensor h = pca.w.t().mm(pca.w) / kVariance, eye = at::eye(3, at::kDouble);
  CHECK(largest(tensors.at("hessian") - h) < 1e-12);
  const at::Tensor norm = 0.25 * tensors.at("h").square().sum(1);
  CHECK(largest(tensors.at("terms/grae") - tensors.at("terms/nll_at_mean") - norm -
                0.25 * at::logdet(eye + 2 * h)) < 1e-10);
  CHECK(largest(tensors.at("terms/diagonal_bound") - tensors.at("terms/nll_at_mean") - norm -
                0.25 * (2 * h.diagonal()).log1p().sum()) < 1e-10);
  CHECK(largest(tensors.at("terms/isotropic_bound") - tensors.at("terms/nll_at_mean") - norm -
                0.75 * (2 * h.trace() / 3).log1p()) < 1e-10);

  CHECK(largest(tensors.at("terms/contrast") -
                0.5 * ((2 * h.diagonal()).log1p().sum() - at::logdet(eye + 2 * h))) < 1e-10);
  CHECK(mean(result, "contrast") > 1e-3);

  const at::Tensor ratio = at::linalg_inv(pca.precision).mm(eye + 2 * h);  // Σ Σ*⁻¹
  const at::Tensor kl = 0.5 * (ratio.trace() - 3 - at::logdet(ratio));
  CHECK(largest(tensors.at("terms/taylor") - tensors.at("terms/grae") - 0.5 * kl) < 1e-10);
  CHECK(std::abs(mean(result, "taylor_gap")) < 4 * error(result, "taylor_gap") + 1e-10);  // F is quadratic
  CHECK(mean(result, "ratio_R") == testing::Approx(1).margin(5 * error(result, "ratio_R")));
  CHECK(std::abs(mean(result, "grae_approx") - mean(result, "diagonal_bound")) <
        5 * error(result, "grae_approx"));
  // The same column value for each datum: a column a datum divides the variance by the batch, one a batch does not.
  const json variances = result.at("grae_approx_variance");
  CHECK(variances.at("one_column_a_datum").get<double>() ==
        testing::Approx(variances.at("one_column_a_batch").get<double>() / 16).epsilon(1e-9));
}

TEST_CASE("the share off the diagonal is scale-free, and dead latents have none") {
  const auto hessian = [](std::vector<double> values) {
    return at::tensor(values, at::kDouble).reshape({1, 3, 3});
  };
  // cos² = 0.25 between the first two: 2 · 0.25 of 3 + 2 · 0.25.
  const std::vector<double> plain{4, 1, 0, 1, 1, 0, 0, 0, 9}, scaled{400, 1, 0, 1, 0.01, 0, 0, 0, 1e-6};
  const std::vector<double> dead{4, 1, 0, 1, 1, 0, 0, 0, 0}, none(9, 0.0),
      diagonal{4, 0, 0, 0, 1, 0, 0, 0, 2};
  const at::Tensor found = off_diagonal_share(
      at::cat({hessian(plain), hessian(scaled), hessian(dead), hessian(none), hessian(diagonal)}));
  const std::vector<double> expected{0.5 / 3.5, 0.5 / 3.5, 0.5 / 2.5, 0, 0};
  CHECK(largest(found - at::tensor(expected, at::kDouble)) < 1e-12);
}

TEST_CASE("elsewhere the bounds keep their order and importance weights lower the evidence bound") {
  auto session = test::open(Setup{.encoder = "mlp", .decoder = "mlp"});
  EvaluateOptions options;
  options.batch = 40;
  const json result = evaluate(*session, options);
  CHECK(mean(result, "grae") < mean(result, "diagonal_bound"));
  CHECK(mean(result, "diagonal_bound") < mean(result, "isotropic_bound"));
  CHECK(mean(result, "diagonal_bound") < mean(result, "taylor"));
  CHECK(mean(result, "is_nll") < mean(result, "elbo"));
  CHECK(mean(result, "is_nll_optimal") < mean(result, "elbo_optimal"));
  CHECK(mean(result, "elbo_optimal") < mean(result, "elbo"));  // the family is untrained
  CHECK(result.at("structure") == "diagonal");
  CHECK_THAT(result.at("gauss_newton").get<std::string>(), ContainsSubstring("all of the Hessian"));
  CHECK(result.at("values").contains("objective"));
  CHECK_FALSE(result.at("values").contains("bits_per_dimension"));

  CHECK(evaluate(*session, options) == result);  // bit for bit
  options.split = "train";
  CHECK(evaluate(*session, options).at("data") == 120);
  options.split = "validation";
  CHECK_THROWS_WITH(
      evaluate(*session, options),
      ContainsSubstring("no data in the split 'validation'; this run's data have: test, train"));
  const std::string text = table_of(result).text();
  CHECK_THAT(text, ContainsSubstring("elbo"));
  CHECK_THAT(text, ContainsSubstring("±"));
}

TEST_CASE("what a model lacks becomes a sentence") {
  const json point =
      evaluate(*test::open(Setup{.family = "type = \"point\"", .objective = "type = \"grae\", beta = 0.5"}));
  CHECK_THAT(reason(point, "kl"), ContainsSubstring("point family has no density"));
  CHECK_THAT(reason(point, "elbo"), ContainsSubstring("not defined: "));
  CHECK_THAT(reason(point, "taylor"), ContainsSubstring("no density"));
  CHECK_THAT(reason(point, "elbo_optimal"), ContainsSubstring("has no covariance"));
  CHECK_THAT(reason(point, "is_nll"), ContainsSubstring("no density"));
  CHECK(mean(point, "grae") == testing::Approx(mean(point, "objective")).epsilon(1e-12));
  CHECK(std::isfinite(mean(point, "nll")));
  CHECK_THAT(table_of(point).text(), ContainsSubstring("point family has no density"));

  const json laplace = evaluate(*test::open(Setup{.prior = "laplace"}));
  CHECK(laplace.at("kl") == "Monte Carlo");
  CHECK_THAT(reason(laplace, "grae"),
             ContainsSubstring("needs a Gaussian prior, and prior laplace (org.variform.priors"));
  CHECK_THAT(reason(laplace, "elbo_optimal"), ContainsSubstring("needs a Gaussian prior"));
  CHECK(mean(laplace, "ratio_R") > 0);

  EvaluateOptions none;
  none.importance_samples = 0;
  none.limit = 7;
  const json brief = evaluate(*test::open(Setup{}), none);
  CHECK(brief.at("data") == 7);
  CHECK_FALSE(brief.at("values").contains("is_nll"));
  CHECK_FALSE(brief.at("values").contains("is_nll_optimal"));
}

TEST_CASE("the structure of a covariance is read off its zeros") {
  const auto block = [](int64_t size) {
    const at::Tensor l = at::tril(at::ones({2, size, size}, at::kDouble));
    return at::add(l, at::eye(size, at::kDouble));
  };
  CHECK(Covariance::cholesky({block(2), block(1), block(3)}).structure().blocks ==
        std::vector<int64_t>{2, 1, 3});
  CHECK(Covariance::cholesky({block(4)}).structure().name() == "full");
  const at::Tensor deviations = at::tensor({1.0, 2.0, 1.0, 1.0}, at::kDouble).reshape({2, 2});
  CHECK(Covariance::diagonal(deviations).structure().name() == "diagonal");
  CHECK(Covariance::isotropic(at::full({2}, 0.5, at::kDouble), 3).structure().name() == "isotropic");
}

}  // namespace
}  // namespace variform::evaluate
