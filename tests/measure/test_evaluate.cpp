// Evaluation against closed forms: probabilistic PCA, where the theory's approximations are exact (§4, §5, §7), and
// against the order of the bounds elsewhere.

#include "models.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "checkpoint/snapshot.h"
#include "measure/evaluated.h"
#include "measure/section.h"

namespace variform::measure {
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

double value(const json& result, const std::string& section, const std::string& name) {
  INFO(section << " " << name << ": " << result.at(section).value(name, json("missing")).dump());
  return result.at(section).at(name).at("value").get<double>();
}

// Probabilistic PCA with its exact posterior: the encoder is set to the posterior mean at β = 1, and the family
// computes the posterior's covariance.
struct Pca {
  std::unique_ptr<model::Session> session = test::open(Setup{.family = "type = \"optimal\", beta = 1.0"});
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
  measure::EvaluateOptions options;
  options.beta = 1;
  options.batch = 32;  // several batches
  options.dump = folder / "dump.h5";
  const json result = test::evaluate(*pca.session, options);
  const checkpoint::Snapshot dump = checkpoint::read(options.dump);
  const at::Tensor exact = pca.exact(dump.tensors.at("x"));
  REQUIRE(exact.size(0) == 100);
  CHECK(result.at("data") == 100);

  for (const char* name : {"is_nll", "is_nll_optimal", "grae", "taylor"}) {
    INFO(name);
    CHECK(test::largest(dump.tensors.at(std::string("terms/") + name) - exact) < 1e-10);
  }
  CHECK(mean(result, "is_nll") == testing::Approx(exact.mean().item<double>()).epsilon(1e-12));
  CHECK(error(result, "is_nll") == testing::Approx(exact.std().item<double>() / 10).epsilon(1e-10));
  CHECK(mean(result, "is_effective_samples") == testing::Approx(100));
  const at::Tensor noise = dump.tensors.at("terms/elbo") - exact;  // of the draws alone
  CHECK(std::abs(noise.mean().item<double>()) < 4 * noise.std().item<double>() / 10);
  CHECK(test::largest(dump.tensors.at("terms/elbo") - dump.tensors.at("nll_of_draws").mean(1) -
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
  measure::EvaluateOptions options;
  options.dump = folder / "dump.h5";  // β = 0.5, the objective's
  const json result = test::evaluate(*pca.session, options);
  const auto tensors = checkpoint::read(options.dump).tensors;
  CHECK(result.at("beta") == 0.5);

  // H is WᵀW/σ² whatever the row.
  const at::Tensor h = pca.w.t().mm(pca.w) / kVariance, eye = at::eye(3, at::kDouble);
  CHECK(test::largest(tensors.at("hessian") - h) < 1e-12);
  const at::Tensor norm = 0.25 * tensors.at("h").square().sum(1);
  CHECK(test::largest(tensors.at("terms/grae") - tensors.at("terms/nll_at_mean") - norm -
                      0.25 * at::logdet(eye + 2 * h)) < 1e-10);
  CHECK(test::largest(tensors.at("terms/diagonal_bound") - tensors.at("terms/nll_at_mean") - norm -
                      0.25 * (2 * h.diagonal()).log1p().sum()) < 1e-10);
  CHECK(test::largest(tensors.at("terms/isotropic_bound") - tensors.at("terms/nll_at_mean") - norm -
                      0.75 * (2 * h.trace() / 3).log1p()) < 1e-10);

  CHECK(test::largest(tensors.at("terms/contrast") -
                      0.5 * ((2 * h.diagonal()).log1p().sum() - at::logdet(eye + 2 * h))) < 1e-10);
  CHECK(mean(result, "contrast") > 1e-3);

  const at::Tensor ratio = at::linalg_inv(pca.precision).mm(eye + 2 * h);  // Σ Σ*⁻¹
  const at::Tensor kl = 0.5 * (ratio.trace() - 3 - at::logdet(ratio));
  CHECK(test::largest(tensors.at("terms/taylor") - tensors.at("terms/grae") - 0.5 * kl) < 1e-10);
  for (const char* name : {"taylor_gap", "taylor_full_gap", "gauss_newton_rest"}) {
    INFO(name);
    CHECK(test::largest(tensors.at(std::string("terms/") + name)) <
          1e-10);  // F is quadratic, and draws are mirrored
  }
  CHECK(mean(result, "taylor_full") == testing::Approx(mean(result, "taylor")).epsilon(1e-12));
  CHECK(mean(result, "ratio_R") == testing::Approx(1).margin(5 * error(result, "ratio_R")));
  CHECK(std::abs(mean(result, "grae_approx") - mean(result, "diagonal_bound")) <
        5 * error(result, "grae_approx"));
  // Every row has the same column value: one column per example divides the variance by the batch, one per batch does not.
  const json variances = result.at("grae_approx_variance");
  CHECK(variances.at("one_column_a_datum").get<double>() ==
        testing::Approx(variances.at("one_column_a_batch").get<double>() / 16).epsilon(1e-9));
  // Two of three columns without replacement: the variance of a mean of pairs, by going through them.
  const at::Tensor c = 0.25 * (2 * h.diagonal()).log1p();
  const at::Tensor pairs = 1.5 * at::stack({c[0] + c[1], c[0] + c[2], c[1] + c[2]});
  CHECK(variances.at("columns").at(1).at("columns") == 2);
  CHECK(variances.at("columns").at(1).at("a_batch").get<double>() ==
        testing::Approx(pairs.var(/*unbiased=*/false).item<double>()).epsilon(1e-9));
}

TEST_CASE("the learned covariance is held against the optimum for the training's β") {
  Pca pca;
  const at::Tensor h = pca.w.t().mm(pca.w) / kVariance, eye = at::eye(3, at::kDouble);
  const json half = test::evaluate(*pca.session);  // learned for β = 1, compared at the objective's 0.5
  const at::Tensor learned = at::linalg_inv(pca.precision), optimal = at::linalg_inv(eye + 2 * h);
  const at::Tensor ratios = learned.diagonal() / optimal.diagonal();
  const json arrays = half.at("covariance_arrays").at("variance_ratio");
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(arrays.at("mean").at(i).get<double>() == testing::Approx(ratios[i].item<double>()));
    for (int quartile : {0, 1, 2})
      CHECK(arrays.at("quartiles").at(quartile).at(i).get<double>() ==
            testing::Approx(ratios[i].item<double>()));
  }
  for (const auto& [name, expected] :
       {std::pair{"learned_variances", learned}, {"optimal_variances", optimal}}) {
    const json variances = half.at("covariance_arrays").at(name);
    CHECK(variances.size() == 64);  // of 100
    for (int64_t i = 0; i < 3; ++i)
      CHECK(variances.back().at(i).get<double>() == testing::Approx(expected.diagonal()[i].item<double>()));
  }
  CHECK(value(half, "covariance", "variance_ratio") == testing::Approx(ratios.median().item<double>()));
  const at::Tensor product = learned.mm(at::linalg_inv(optimal));
  CHECK(value(half, "covariance", "kl_to_optimum") ==
        testing::Approx((0.5 * (product.trace() - 3 - at::logdet(product))).item<double>()));
  measure::EvaluateOptions options;
  options.beta = 1;
  const json same = test::evaluate(*pca.session, options);
  CHECK(value(same, "covariance", "variance_ratio") == testing::Approx(1));
  CHECK(std::abs(value(same, "covariance", "kl_to_optimum")) < 1e-10);
}

TEST_CASE("elsewhere the bounds keep their order and importance weights lower the evidence bound") {
  auto session = test::open(Setup{.encoder = "mlp", .decoder = "mlp"});
  measure::EvaluateOptions options;
  options.batch = 40;
  const json result = test::evaluate(*session, options);
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

  CHECK(test::evaluate(*session, options) == result);  // bit for bit
  options.split = "train";
  CHECK(test::evaluate(*session, options).at("data") == 120);
  options.split = "validation";
  CHECK_THROWS_WITH(
      test::evaluate(*session, options),
      ContainsSubstring("no data in the split 'validation'; this run's data have: test, train"));
  const std::string text = measure::head_of(result) + measure::text_of_section(result, "values", 0);
  CHECK_THAT(text, ContainsSubstring("beta_eff 0.15"));
  CHECK_THAT(text, ContainsSubstring("one column per batch"));
  CHECK_THAT(text, ContainsSubstring("elbo"));
  CHECK_THAT(text, ContainsSubstring("±"));
}

TEST_CASE("what a model lacks becomes a sentence") {
  const json point = test::evaluate(
      *test::open(Setup{.family = "type = \"point\"", .objective = "type = \"grae\", beta = 0.5"}));
  CHECK_THAT(reason(point, "kl"), ContainsSubstring("point family has no density"));
  CHECK_THAT(reason(point, "elbo"), ContainsSubstring("not defined: "));
  CHECK_THAT(reason(point, "taylor"), ContainsSubstring("has no covariance"));
  CHECK_THAT(reason(point, "ratio_R"), ContainsSubstring("has no covariance"));
  CHECK_THAT(reason(point, "is_nll"), ContainsSubstring("no density"));
  CHECK(mean(point, "grae") == testing::Approx(mean(point, "objective")).epsilon(1e-12));
  CHECK(std::isfinite(mean(point, "nll")));
  CHECK_THAT(measure::text_of_section(point, "values", 0),
             ContainsSubstring("elbo, is_effective_samples, is_nll, kl, loss_beta: "));
  CHECK_THAT(measure::text_of_section(point, "values", 0), ContainsSubstring("point family has no density"));

  const json laplace = test::evaluate(*test::open(Setup{.prior = "laplace"}));
  CHECK(laplace.at("kl") == "Monte Carlo");
  CHECK_THAT(reason(laplace, "grae"),
             ContainsSubstring("needs a Gaussian prior, but prior laplace (org.variform.priors"));
  CHECK_THAT(reason(laplace, "elbo_optimal"), ContainsSubstring("needs a Gaussian prior"));
  CHECK(mean(laplace, "ratio_R") > 0);

  measure::EvaluateOptions none;
  none.importance_samples = 0;
  none.limit = 7;
  const json brief = test::evaluate(*test::open(Setup{}), none);
  CHECK(brief.at("data") == 7);
  CHECK(brief.at("values").at("elbo").contains("rows") == false);
  CHECK_FALSE(brief.at("values").contains("is_nll"));
  CHECK_FALSE(brief.at("values").contains("is_nll_optimal"));
}

TEST_CASE("all of the Hessian is what differences of the loss say, on as many rows as were asked for") {
  const Folder folder;
  auto session = test::open(Setup{.encoder = "mlp", .decoder = "mlp\", activation = \"tanh"});
  measure::EvaluateOptions options;
  options.batch = 16;
  options.hessian_rows = 20;
  options.dump = folder / "dump.h5";
  const json result = test::evaluate(*session, options);
  const auto tensors = checkpoint::read(options.dump).tensors;
  CHECK(result.at("values").at("taylor_full").at("rows") == 20);
  REQUIRE(tensors.at("terms/taylor_full").size(0) == 20);
  const auto first = [&](const char* name) {
    return tensors.at(std::string("terms/") + name).slice(0, 0, 20);
  };
  CHECK(test::largest(first("taylor_full") - first("taylor") - first("gauss_newton_rest")) < 1e-10);

  // tr(∇²F Σ) by second differences along the columns of Σ's root.
  const at::NoGradGuard no_grad;
  Model& model = session->assembly->model();
  const at::Tensor x = tensors.at("x").slice(0, 0, 20), h = tensors.at("h").slice(0, 0, 20);
  const at::Tensor root = at::linalg_cholesky(tensors.at("covariance").slice(0, 0, 20));
  const auto f = [&](const at::Tensor& z) { return model.nll(x, model.decode(z, {}), {}); };
  at::Tensor trace = at::zeros({20}, at::kDouble);
  const double step = 1e-3;
  for (int64_t i = 0; i < 3; ++i) {
    const at::Tensor move = step * root.select(2, i);
    trace += (f(h + move) + f(h - move) - 2 * f(h)) / (step * step);
  }
  CHECK(test::largest(first("half_trace") + first("gauss_newton_rest") - 0.5 * trace) <
        1e-5 * test::largest(first("half_trace")));
  CHECK(test::largest(first("gauss_newton_rest")) >
        1e-3 * test::largest(first("half_trace")));  // there is something to see
  CHECK(std::abs(mean(result, "taylor_full_gap")) <
        std::abs(mean(result, "taylor_gap")) + 4 * error(result, "taylor_full_gap"));
}

TEST_CASE("a family's own structure has a bound between the full and the diagonal one") {
  const json block = test::evaluate(
      *test::open(Setup{.encoder = "mlp", .decoder = "mlp", .family = "type = \"block\", sizes = [2, 1]"}));
  CHECK(block.at("structure") == "blocks [2, 1]");
  CHECK(mean(block, "grae") < mean(block, "block_bound"));
  CHECK(mean(block, "block_bound") < mean(block, "diagonal_bound"));
  CHECK_FALSE(block.at("values").contains("low_rank_bound"));
  CHECK(value(block, "geometry", "metric_within_blocks") + value(block, "geometry", "metric_across_blocks") ==
        testing::Approx(value(block, "geometry", "metric_off_diagonal")));

  const json low = test::evaluate(
      *test::open(Setup{.encoder = "mlp", .decoder = "mlp", .family = "type = \"low-rank\", rank = 1"}));
  CHECK(low.at("structure") == "rank 1 plus s²I");
  CHECK(mean(low, "grae") < mean(low, "low_rank_bound"));
  CHECK(mean(low, "low_rank_bound") < mean(low, "isotropic_bound"));

  measure::EvaluateOptions options;
  options.block = 2;
  const json asked = test::evaluate(*test::open(Setup{.encoder = "mlp", .decoder = "mlp"}), options);
  CHECK(asked.at("structure") == "diagonal");
  CHECK(mean(asked, "block_bound") < mean(asked, "diagonal_bound"));
}

TEST_CASE("the levels of a posterior are blocks of latents") {
  const json result = test::evaluate(
      *test::open(Setup{.encoder = "mlp", .decoder = "mlp", .family = "type = \"ladder\", levels = [2, 1]"}));
  CHECK(result.at("geometry_arrays").at("blocks") == json::array({0, 0, 1}));
  CHECK(value(result, "geometry", "metric_within_blocks") +
            value(result, "geometry", "metric_across_blocks") ==
        testing::Approx(value(result, "geometry", "metric_off_diagonal")));
  CHECK(result.at("kl") == "Monte Carlo");
  CHECK(mean(result, "is_nll") < mean(result, "elbo"));
}

TEST_CASE("a model that has diverged has no numbers, and says so") {
  auto session = test::open(Setup{});
  test::state(*session, "model/decoder/parameters/network.0.weight")[0][0].fill_(std::nan(""));
  const json result = test::evaluate(*session);
  CHECK_THAT(reason(result, "grae"), ContainsSubstring("not finite for 100 of 100 data"));
  CHECK_THAT(measure::text_of_section(result, "values", 0), ContainsSubstring("use the Fisher curvature"));
  CHECK_THAT(result.at("geometry").at("log_volume").at("undefined").get<std::string>(),
             ContainsSubstring("not finite for 100 data"));
  CHECK(result.at("information").at("active_directions").at("undefined") == "not defined: H is not finite.");
  CHECK(result.at("covariance").at("variance_ratio").at("undefined") == "not finite.");
  CHECK(value(result, "information", "latent_kl") == testing::Approx(mean(result, "kl")));
  for (const char* section : {"information", "geometry", "covariance"})
    CHECK_THAT(measure::text_of_section(result, section, 0), ContainsSubstring("not finite"));
}

TEST_CASE("a section holds means, medians and quartiles, or why there is none") {
  const at::Tensor values = at::tensor({4.0, 1.0, 9.0, 2.0, 7.0, 3.0}, at::kDouble);
  const at::Tensor quarters = at::tensor({0.25, 0.5, 0.75}, at::kDouble);
  for (int64_t count : {1, 2, 3, 4, 5, 6})
    CHECK(test::largest(measure::quartiles(values.narrow(0, 0, count)) -
                        at::quantile(values.narrow(0, 0, count), quarters)) < 1e-14);
  measure::Section section;
  section.values("mean", values, "a mean");
  section.median("median", values, "a median");
  section.geometric("geometric", values.log(), "a geometric mean");
  section.values("none", at::cat({values, at::full({1}, std::nan(""), at::kDouble)}), "no mean");
  const json entries = section.entries();
  CHECK(entries.at("mean").at("value") == testing::Approx(26.0 / 6));
  CHECK(entries.at("mean").at("se").get<double>() ==
        testing::Approx(values.std().item<double>() / std::sqrt(6)));
  CHECK(entries.at("median").at("value") == 3.5);
  CHECK(entries.at("median").at("se").is_null());
  CHECK(entries.at("geometric").at("value") == testing::Approx(std::pow(1512, 1.0 / 6)));
  CHECK(entries.at("none").at("undefined") == "not finite for 1 of 7 data.");
  CHECK_THAT(measure::table_of_section(entries).text(), ContainsSubstring("2.25  3.5  6.25"));
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
}  // namespace variform::measure
