// Families and priors as distributions: moments of draws, densities, entropies, divergences, normalisation.

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

namespace families_test {
namespace {

using variform::Covariance;
using variform::Draw;
using variform::Kind;
using variform::Posterior;
using variform::PushforwardTier;
using variform::Tensor;
using variform::test::Assembly;
using variform::test::error;
using variform::test::list;
using variform::test::normal;
using variform::test::num;
using variform::test::SmallDecoder;
using variform::test::SmallEncoder;
using variform::test::txt;
using variform::test::uniform;
using variform::test::Values;
using variform::testing::ContainsSubstring;

constexpr int64_t kP = 6, kB = 3;

Assembly assemble(int64_t d, const std::string& family, const Values& values = {},
                  const std::string& prior = "gaussian", const Values& prior_values = {}) {
  Assembly model(kP, d);
  model.with(Kind::kLikelihood, "bernoulli")
      .with(Kind::kPrior, prior, prior_values)
      .with(Kind::kFamily, family, values);
  model.with(std::make_shared<SmallEncoder>(false, kP, 7, model->family().parameter_count(d), 13));
  model.with(
      std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, d, 8, kP, PushforwardTier::kLayers, 14));
  return std::move(model.with(Kind::kObjective, "beta-vae", {{"beta", num(0.3)}}));
}

const Tensor& data() {
  static const Tensor x = uniform({kB, kP}, 15);
  return x;
}

struct Case {
  std::string id;
  Values values;
};
const std::vector<Case>& gaussians() {
  static const std::vector<Case> all{
      {"diagonal", {}},
      {"diagonal", {{"deviation", num(0.3)}}},
      {"isotropic", {}},
      {"fixed", {{"deviation", num(0.6)}}},
      {"rotated", {{"angle", num(25)}}},
      {"low-rank", {{"rank", num(1)}}},
      {"low-rank", {{"rank", num(1)}, {"diagonal", num(1)}, {"deviation", num(0.5)}}},
      {"block", {{"size", num(2)}}},
      {"full", {}},
      {"full", {{"deviation", num(0.3)}}},
      {"optimal", {}},
      {"optimal", {{"structure", txt("diagonal")}, {"beta", num(1)}}},
      {"optimal", {{"structure", txt("isotropic")}, {"curvature", txt("fisher")}}},
      {"optimal", {{"structure", txt("block")}, {"block", num(2)}}}};
  return all;
}

// How many standard errors the mean over draws [K, …] is away from `expected`.
double deviations(const Tensor& draws, const Tensor& expected) {
  const Tensor standard_error = draws.std(0) / std::sqrt(static_cast<double>(draws.size(0)));
  return ((draws.mean(0) - expected).abs() / standard_error).max().item<double>();
}

}  // namespace

TEST_CASE("families: draws have the stated mean and covariance") {
  const int64_t K = 100000;
  const at::NoGradGuard guard;
  for (const Case& c : gaussians()) {
    CAPTURE(c.id, c.values.size());
    Assembly model = assemble(3, c.id, c.values);
    const auto q = model->posterior(data(), {});
    const Tensor centred = q->rsample(K, model->rng).z - q->location();
    CHECK(deviations(centred, at::zeros({kB, 3}, at::kDouble)) < 4);
    CHECK(deviations(centred.unsqueeze(-1) * centred.unsqueeze(-2), q->covariance()->dense()) < 4.5);
  }
}

TEST_CASE(
    "families: log_prob is the normal density, with and without the draw's noise, and its mean is −entropy") {
  const int64_t K = 20000, d = 3;
  const at::NoGradGuard guard;
  for (const Case& c : gaussians()) {
    CAPTURE(c.id, c.values.size());
    Assembly model = assemble(d, c.id, c.values);
    const auto q = model->posterior(data(), {});
    const Draw draw = q->rsample(K, model->rng);
    const Tensor own = q->log_prob(draw), foreign = q->log_prob({draw.z, {}});
    CHECK(error(foreign, own, at::ones({}, at::kDouble)) < 1e-10);
    const Tensor sigma = q->covariance()->dense(), away = draw.z - q->location();
    const Tensor distance = at::einsum("kbi,bij,kbj->kb", {away, sigma.inverse(), away});
    CHECK(error(own, -0.5 * (distance + at::logdet(sigma) + static_cast<double>(d) * std::log(2 * M_PI)),
                at::ones({}, at::kDouble)) < 1e-10);
    CHECK(deviations(-own, *q->entropy()) < 4);
    // One z for all data, as an aggregate posterior needs it.
    const Tensor shared = draw.z.narrow(1, 0, 1);
    CHECK(error(q->log_prob({shared, {}}).select(1, 0), foreign.select(1, 0)) < 1e-12);
    CHECK(q->log_prob({shared, {}}).size(1) == kB);
  }
}

TEST_CASE("families: normalised in one dimension") {
  const int64_t n = 20001;
  const at::NoGradGuard guard;
  for (const Case& c : gaussians()) {
    if (c.values.count("block") || c.values.count("rank") || c.values.count("size")) continue;
    CAPTURE(c.id, c.values.size());
    Assembly model = assemble(1, c.id, c.values);
    const Tensor grid = at::linspace(-25, 25, n, at::kDouble).reshape({n, 1, 1});
    const auto q = model->posterior(data(), {});
    const Tensor mass =
        q->log_prob({grid.expand({n, kB, 1}), {}}).exp().sum(0) * (grid[1] - grid[0]).item<double>();
    CHECK(error(mass, at::ones({kB}, at::kDouble)) < 1e-8);
  }
}

TEST_CASE("families: closed KL against the Monte Carlo mean, and against its formula") {
  const int64_t K = 100000, d = 3;
  const at::NoGradGuard guard;
  for (const Case& c : gaussians())
    for (const Values& prior : {Values{}, Values{{"mean", list({0.5, -1, 0})}, {"deviation", list({2})}}}) {
      CAPTURE(c.id, c.values.size(), prior.size());
      Assembly model = assemble(d, c.id, c.values, "gaussian", prior);
      const auto q = model->posterior(data(), {});
      CHECK(model->has_closed_kl(*q, {}));
      const Draw draw = q->rsample(K, model->rng);
      const Tensor closed = model->kl(*q, draw, {});
      CHECK(deviations(q->log_prob(draw) - model->log_prior(draw.z, {}), closed) < 4);
      const variform::Gaussian p = *model->prior().gaussian({});
      const Tensor sigma = q->covariance()->dense(), away = q->location() - p.mean;
      const Tensor expected =
          0.5 * ((p.covariance.precision() * (sigma + away.unsqueeze(2) * away.unsqueeze(1))).sum({1, 2}) -
                 static_cast<double>(d) + p.covariance.log_det() - at::logdet(sigma));
      CHECK(error(closed, expected) < 1e-12);
    }
}

TEST_CASE("families: zeros from the encoder give the prior itself") {
  for (const char* id : {"diagonal", "full"})
    for (double deviation : {1.0, 0.3}) {
      Assembly model =
          assemble(4, id, {{"deviation", num(deviation)}}, "gaussian", {{"deviation", list({deviation})}});
      const at::NoGradGuard guard;
      model.encoder().c_.zero_();
      model.encoder().e_.zero_();
      const auto q = model->posterior(data(), {});
      CHECK(model->kl(*q, {}, {}).abs().max().item<double>() < 1e-14);
    }
}

TEST_CASE("families: gradients of draws, density, entropy and KL") {
  for (const Case& c : gaussians()) {
    CAPTURE(c.id, c.values.size());
    Assembly model = assemble(3, c.id, c.values);
    std::vector<Tensor> tensors = model.encoder().parameters();
    if (c.id == "optimal")
      for (const Tensor& tensor : model.decoder().parameters()) tensors.push_back(tensor);
    const Tensor weight = normal({2, kB, 3}, 16), foreign = normal({2, kB, 3}, 17);
    const auto value = [&] {
      model->rng.set_current_seed(4);
      const auto q = model->posterior(data(), {});
      const Draw draw = q->rsample(2, model->rng);
      return (weight * draw.z).sum() + q->log_prob({foreign, {}}).sum() + q->entropy()->sum() +
             model->kl(*q, draw, {}).sum();
    };
    CHECK(variform::test::gradient_error(value, tensors) < 1e-8);
  }
}

TEST_CASE(
    "family laplace: by default of unit variance, and then below a Gaussian's entropy by ½ log π − ½ a "
    "latent") {
  Assembly of_laplace = assemble(3, "laplace"),
           of_diagonal = assemble(3, "diagonal");  // outlive their posteriors
  for (Assembly* model : {&of_laplace, &of_diagonal}) {
    const at::NoGradGuard guard;
    model->encoder().c_.zero_();
    model->encoder().e_.zero_();
  }
  const auto laplace = of_laplace->posterior(data(), {}), diagonal = of_diagonal->posterior(data(), {});
  CHECK(error(laplace->covariance()->variances(), diagonal->covariance()->variances()) < 1e-14);
  CHECK(error(*diagonal->entropy() - *laplace->entropy(),
              at::full({kB}, 1.5 * (std::log(M_PI) - 1), at::kDouble)) < 1e-13);
}

TEST_CASE("family rotated: a matrix that is not orthogonal is refused") {
  CHECK_THROWS_WITH(assemble(3, "rotated", {{"matrix", list({1, 0, 0, 1})}}),
                    ContainsSubstring("must hold d² = 9 numbers, row by row; found 4"));
  CHECK_THROWS_WITH(assemble(2, "rotated", {{"matrix", list({1, 0.5, 0, 1})}}),
                    ContainsSubstring("must be orthogonal"));
}

TEST_CASE("family full: the factor is lower triangular, row by row, as documented") {
  for (double deviation : {1.0, 0.5}) {
    Assembly model = assemble(3, "full", {{"deviation", num(deviation)}});
    const at::NoGradGuard guard;
    model.encoder().c_.zero_();
    model.encoder().e_.copy_(at::tensor({1.0, 2.0, 3.0, 0.2, 0.4, 0.6, 10.0, 20.0, 30.0}, at::kDouble));
    const double c = 0.1 / std::sqrt(3.0), l2 = std::exp(0.2), l3 = std::exp(0.3);
    const std::vector<double> rows{std::exp(0.1), 0, 0, 10 * c * l2, l2, 0, 20 * c * l3, 30 * c * l3, l3};
    const Tensor l = deviation * at::tensor(rows, at::kDouble).reshape({3, 3});
    const auto q = model->posterior(data(), {});
    CHECK(error(q->covariance()->dense()[0], l.mm(l.t())) < 1e-14);
    CHECK(error(q->location()[0], at::tensor({1.0, 2.0, 3.0}, at::kDouble)) == 0);
  }
}

namespace {

// A stock encoder of one seed in front of a family; 16 latents.
Assembly start(const std::string& family, const Values& values, const char* encoder = "mlp") {
  Assembly model(kP, 16);
  model.with(Kind::kLikelihood, "bernoulli")
      .with(Kind::kPrior, "gaussian")
      .with(Kind::kFamily, family, values)
      .with(Kind::kEncoder, encoder);
  return model;
}

const std::vector<Case>& beyond_diagonal() {
  static const std::vector<Case> all{{"full", {}},
                                     {"block", {{"size", num(4)}}},
                                     {"low-rank", {{"rank", num(2)}, {"diagonal", num(1)}}},
                                     {"rotated", {{"learned", num(1)}}},
                                     {"householder", {}},
                                     {"householder", {{"reflections", num(2)}}},
                                     {"sylvester", {}},
                                     {"iaf", {}},
                                     {"planar", {}}};
  return all;
}

}  // namespace

TEST_CASE("families that contain the diagonal one start beside it, with the same encoder of one seed") {
  const at::NoGradGuard guard;
  Assembly plain = start("diagonal", {});
  const auto p = plain->posterior(data(), {});
  for (const Case& c : beyond_diagonal()) {
    CAPTURE(c.id);
    Assembly model = start(c.id, c.values);
    const auto q = model->posterior(data(), {});
    const int64_t K = 20000;
    const Draw draw = q->rsample(K, model->rng);
    // KL(q ‖ the diagonal family's posterior), nats per latent.
    const Tensor log_ratio = q->log_prob(draw) - p->log_prob({draw.z, {}});
    CHECK(std::abs(log_ratio.mean().item<double>()) / 16 < 1e-3);
  }
}

TEST_CASE("encoders: the outputs that families share start at the same numbers") {
  const at::NoGradGuard guard;
  for (const char* encoder : {"mlp", "linear"})
    for (const Case& c : beyond_diagonal()) {
      CAPTURE(encoder, c.id);
      Assembly plain = start("diagonal", {}, encoder), model = start(c.id, c.values, encoder);
      const Tensor expected = plain->encoder().encode(data(), {}),
                   found = model->encoder().encode(data(), {});
      CHECK(error(found.narrow(1, 0, 32), expected) < 1e-14);
    }
}

TEST_CASE("family block: mean, all logarithms, then the blocks below the diagonal, as documented") {
  Assembly model = assemble(4, "block", {{"sizes", list({1, 3})}, {"coupling", num(2)}});
  const at::NoGradGuard guard;
  const Tensor params =
      at::tensor({1.0, 2.0, 3.0, 4.0, 0.2, 0.4, 0.6, 0.8, 10.0, 20.0, 30.0}, at::kDouble).unsqueeze(0);
  const auto q = model->family().posterior(params, data(), {});
  const double c = 2 / std::sqrt(3.0), l3 = std::exp(0.3), l4 = std::exp(0.4);
  const std::vector<double> rows{std::exp(0.1), 0,  0, 0, 0,           std::exp(0.2), 0, 0, 0,
                                 10 * c * l3,   l3, 0, 0, 20 * c * l4, 30 * c * l4,   l4};
  const Tensor l = at::tensor(rows, at::kDouble).reshape({4, 4});
  CHECK(error(q->covariance()->dense()[0], l.mm(l.t())) < 1e-14);
  CHECK(error(q->location()[0], params[0].narrow(0, 0, 4)) == 0);
}

TEST_CASE(
    "family full: how far encoder outputs take it from the diagonal does not depend on the number of latents") {
  const at::NoGradGuard guard;
  for (int64_t d : {4, 16, 48}) {
    CAPTURE(d);
    Assembly model = assemble(d, "full");
    const Tensor params = 0.5 * normal({256, model->family().parameter_count(d)}, 18);
    const auto q = model->family().posterior(params, data(), {});
    const Tensor sigma = q->covariance()->dense();
    const Tensor away = 0.5 * (sigma.diagonal(0, 1, 2).log().sum(1) - at::logdet(sigma));
    const double expected = 0.5 * 0.1 * 0.1 * 0.5 * 0.5;  // ½ κ² ν of docs/theory.md §11
    CHECK(std::abs(away.mean().item<double>() / expected - 1) < 0.06);
  }
}

TEST_CASE("family diagonal: marginals add up to the density; the correlated families have none") {
  const at::NoGradGuard guard;
  Assembly model = assemble(3, "diagonal");
  const auto q = model->posterior(data(), {});
  const Draw draw = q->rsample(4, model->rng);
  CHECK(error(q->log_marginals(draw).sum(-1), q->log_prob(draw)) < 1e-14);
  for (const char* id : {"full", "optimal", "point"}) {
    Assembly other = assemble(3, id);
    CHECK_THROWS_AS(other->posterior(data(), {})->log_marginals(draw), variform::Unsupported);
  }
}

TEST_CASE("family optimal: β, structure, laziness and refusals") {
  const at::NoGradGuard guard;
  Assembly model = assemble(3, "optimal");
  const auto q = model->posterior(data(), {});
  CHECK(model.decoder().pushes == 0);  // nothing asked, nothing computed
  const Tensor first = q->covariance()->dense();
  q->rsample(2, model->rng);
  q->entropy();
  CHECK(model.decoder().pushes == 1);  // kept
  const Tensor h = model->latent_hessian(data(), q->location(), model->unit_tangents(kB), {}).hessian;
  const auto inverse = [&](double beta) { return (at::eye(3, at::kDouble) + h / beta).inverse(); };
  CHECK(error(first, inverse(0.3)) < 1e-12);  // the objective's final β
  CHECK(error(assemble(3, "optimal", {{"beta", num(1)}})->posterior(data(), {})->covariance()->dense(),
              inverse(1)) < 1e-12);
  Assembly wide = assemble(3, "optimal", {}, "gaussian", {{"deviation", list({2, 1, 0.5})}});
  const Tensor q_matrix = at::tensor({0.25, 1.0, 4.0}, at::kDouble).diag();
  CHECK(error(wide->posterior(data(), {})->covariance()->dense(), (q_matrix + h / 0.3).inverse()) < 1e-12);
  Assembly laplace = assemble(3, "optimal", {}, "laplace");
  CHECK_THROWS_AS(laplace->posterior(data(), {})->entropy(), variform::Unsupported);
  CHECK_THROWS_WITH(laplace->posterior(data(), {})->entropy(),
                    ContainsSubstring("Gaussian prior only") && ContainsSubstring("laplace"));
  Assembly none = assemble(3, "optimal");
  none.with(Kind::kObjective, "beta-vae", {{"beta", num(0)}});
  CHECK_THROWS_WITH(none->posterior(data(), {})->covariance(),
                    ContainsSubstring("set the family's parameter 'beta'"));
  CHECK_THROWS_WITH(assemble(3, "optimal", {{"structure", txt("block")}}), ContainsSubstring("set 'block'"));
}

TEST_CASE("family point: every draw is the encoding, and a divergence is refused") {
  Assembly model = assemble(3, "point");
  const auto q = model->posterior(data(), {});
  const Draw draw = q->rsample(4, model->rng);
  CHECK(at::equal(draw.z[3], q->location()));
  CHECK_FALSE(q->entropy().has_value());
  CHECK_FALSE(q->covariance().has_value());
  CHECK_FALSE(model->has_closed_kl(*q, {}));
  CHECK_THROWS_AS(model.evaluate(data()), variform::Unsupported);
  CHECK_THROWS_WITH(model.evaluate(data()), ContainsSubstring("point family has no density"));
}

TEST_CASE("priors: normalised, samples of the stated moments, KL by Monte Carlo where none is closed") {
  const at::NoGradGuard guard;
  const int64_t n = 200000;
  const Tensor grid = at::linspace(-40, 40, 80001, at::kDouble).unsqueeze(1);
  const std::vector<std::pair<std::string, Values>> cases{
      {"gaussian", {}},
      {"gaussian", {{"mean", list({1.5})}, {"deviation", list({0.4})}}},
      {"laplace", {}},
      {"laplace", {{"scale", num(2)}}}};
  for (const auto& [id, values] : cases) {
    CAPTURE(id, values.size());
    Assembly one = assemble(1, "diagonal", {}, id, values);
    const Tensor density = one->log_prior(grid, {}).exp();
    const double step = 80.0 / 80000, mean = (density * grid.squeeze(1)).sum().item<double>() * step;
    CHECK(std::abs(density.sum().item<double>() * step - 1) < 1e-6);
    const double variance = (density * (grid.squeeze(1) - mean).square()).sum().item<double>() * step;
    if (id == "laplace" && values.empty()) CHECK(std::abs(variance - 1) < 1e-6);  // as documented
    Assembly model = assemble(3, "diagonal", {}, id, values);
    const Tensor z = model->sample_prior(n, {});
    CHECK(deviations(z, at::full({3}, mean, at::kDouble)) < 4);
    CHECK(deviations((z - mean).square(), at::full({3}, variance, at::kDouble)) < 4);
    CHECK(error(model->log_prior(z.narrow(0, 0, 5), {}),
                one->log_prior(z.narrow(0, 0, 5).unsqueeze(-1), {}).sum(-1)) < 1e-13);  // independent latents
    const auto q = model->posterior(data(), {});
    CHECK(model->has_closed_kl(*q, {}) == (id == "gaussian"));
    CHECK(model->prior().gaussian({}).has_value() == (id == "gaussian"));
    CHECK(model->prior().moments_needed() == (id == "gaussian" ? 2 : 1));
  }
  CHECK_THROWS_WITH(assemble(3, "diagonal", {}, "gaussian", {{"mean", list({1, 2})}}),
                    ContainsSubstring("one for each of the 3 latents; found 2"));
}

TEST_CASE("learned priors start beside N(0, I)") {
  const at::NoGradGuard guard;
  const int64_t d = 16;
  const Tensor z = normal({20000, d}, 20);
  const Tensor standard = (-0.5 * (z.square() + std::log(2 * M_PI))).sum(-1);
  const std::vector<Case> learned{{"gaussian", {{"learned", num(1)}}},
                                  {"gaussian", {{"learned", num(1)}, {"covariance", list({1})}}},
                                  {"mixture", {}},
                                  {"mixture", {{"components", num(100)}, {"covariance", txt("full")}}},
                                  {"mixture", {{"factorized", num(1)}}},
                                  {"flow", {}}};
  for (const Case& c : learned) {
    CAPTURE(c.id, c.values.size());
    Assembly model = assemble(d, "diagonal", {}, c.id, c.values);
    const double away = (standard - model->log_prior(z, {})).mean().item<double>() / static_cast<double>(d);
    CHECK(std::abs(away) < 0.005);  // nats per latent
  }
}

TEST_CASE("β-VAE: the loss is nll + β KL over the asked draws, and follows its schedule") {
  Assembly model = assemble(3, "diagonal");
  model.with(Kind::kObjective, "beta-vae", {{"beta", num(0.3)}, {"samples", num(50)}});
  const variform::Terms terms = model.evaluate(data(), 6);
  model->rng.set_current_seed(6);
  const auto q = model->posterior(data(), {});
  const Draw draw = q->rsample(50, model->rng);
  CHECK(error(terms.loss, model->nll(data(), model->decode(draw.z, {}), {}).mean(0) +
                              0.3 * model->kl(*q, draw, {})) < 1e-14);
  model->objective().beta()->fill_(2.0);
  CHECK(error(model.evaluate(data(), 6).loss, terms.parts[0].second + 2.0 * terms.parts[1].second) < 1e-14);
  std::vector<Tensor> tensors = model.encoder().parameters();
  for (const Tensor& tensor : model.decoder().parameters()) tensors.push_back(tensor);
  CHECK(variform::test::gradient_error([&] { return model.evaluate(data(), 6).loss.sum(); }, tensors) < 1e-8);
}

}  // namespace families_test
