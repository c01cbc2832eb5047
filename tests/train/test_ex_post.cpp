// Priors fitted ex post, against maximum-likelihood estimates that have a closed form, on latents that are known: the
// codes of a deterministic encoder.

#include "train/ex_post.h"

#include "measure/models.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "checkpoint/snapshot.h"
#include "measure/evaluated.h"
#include "model/checkpoints.h"
#include "model/rows.h"

namespace variform::train {
namespace test = measure::test;
namespace {

using at::Tensor;
using test::Folder;
using test::Setup;
using testing::ContainsSubstring;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

config::GivenComponent given(const std::string& text) {
  config::Diagnostics diagnostics;
  config::GivenComponent component =
      config::parse_component(text, "--prior", Kind::kPrior, test::registry(), diagnostics);
  diagnostics.throw_if_any();
  return component;
}

train::ExPostFit fit(model::Session& session, const std::string& prior, const Folder& folder) {
  return train::use_ex_post_prior(session, session, given(prior), test::registry(), folder / "priors");
}

// Location of q for every row of a split, [N, d].
Tensor codes(model::Session& session, const std::string& split) {
  const at::NoGradGuard no_grad;
  model::Rows rows(session, split);
  return session.assembly->model().posterior(rows.range(0, rows.size()).x, {})->location().detach();
}

double nll(model::Session& session, const Tensor& z) {
  const at::NoGradGuard no_grad;
  return -session.assembly->model().log_prior(z, {}).mean().item<double>();
}

// A deterministic autoencoder whose codes are correlated, off-centre, and of very unequal scale.
std::unique_ptr<model::Session> autoencoder() {
  auto session = test::open(Setup{.family = "type = \"point\"", .objective = "type = \"grae\", beta = 0.5"});
  const Tensor scale = at::tensor({30.0, 0.02, 1.0}, at::kDouble);
  const at::NoGradGuard no_grad;
  Tensor weight = test::state(*session, "model/encoder/parameters/network.0.weight");  // [d, P]
  weight[1].add_(weight[0], 0.7);
  weight.mul_(scale.unsqueeze(1));
  test::state(*session, "model/encoder/parameters/network.0.bias").copy_(3 * scale);
  return session;
}

TEST_CASE("a Gaussian with full covariance reaches the closed form of maximum likelihood") {
  const Folder folder;
  auto session = autoencoder();
  const Tensor train = codes(*session, "train"), held = codes(*session, "test");
  const double before = nll(*session, held);
  const train::ExPostFit found =
      fit(*session, "{ type = \"gaussian\", covariance = [1.0], learned = true }", folder);

  const Tensor mean = train.mean(0), off = train - mean, covariance = off.t().mm(off) / train.size(0);
  const auto closed = [&](const Tensor& z) {
    const Tensor away = z - mean;
    return 0.5 * ((away.mm(at::linalg_inv(covariance)) * away).sum(1).mean() + at::logdet(covariance))
                     .item<double>() +
           1.5 * kLogTwoPi;
  };
  CHECK(nll(*session, train) == testing::Approx(closed(train)).margin(1e-3));
  CHECK(nll(*session, train) >= closed(train) - 1e-9);  // a maximum
  CHECK(found.latents_after == testing::Approx(closed(held)).margin(1e-2));
  CHECK(found.latents_before == testing::Approx(before).epsilon(1e-12));
  CHECK(found.data == 120);
  CHECK(found.held_out == "test");

  const auto gaussian = session->assembly->model().prior().gaussian({});
  REQUIRE(gaussian);
  const Tensor deviation = covariance.diagonal().sqrt();
  CHECK(test::largest((gaussian->mean[0] - mean) / deviation) < 1e-2);
  CHECK(test::largest((gaussian->covariance.dense()[0] - covariance) / deviation / deviation.unsqueeze(1)) <
        1e-2);
  CHECK_THAT(found.sentence(),
             ContainsSubstring("fitted prior gaussian to 120 latents of the training split"));
}

TEST_CASE("a prior without parameters is fitted in a location and a scale for each latent") {
  const Folder folder;
  auto session = autoencoder();
  const Tensor train = codes(*session, "train");
  fit(*session, "laplace", folder);
  const Tensor b = (train - std::get<0>(train.median(0))).abs().mean(0);  // the estimate of its scale
  const double closed = ((2 * b).log() + 1).sum().item<double>();
  CHECK(nll(*session, train) == testing::Approx(closed).margin(2e-3));

  auto other = autoencoder();
  fit(*other, "gaussian", folder);
  const double diagonal = 0.5 * (train.var(0, /*unbiased=*/false).log() + 1 + kLogTwoPi).sum().item<double>();
  CHECK(nll(*other, train) == testing::Approx(diagonal).margin(1e-3));
}

TEST_CASE("what a fitted prior says of itself agrees: density, draws, moments, cross-entropy") {
  const Folder folder;
  auto session = test::open(Setup{.family = "type = \"full\""});
  fit(*session, "{ type = \"gaussian\", covariance = [1.0], learned = true }", folder);
  Model& model = session->assembly->model();
  const at::NoGradGuard no_grad;
  const Gaussian gaussian = *model.prior().gaussian({});
  const Tensor z = at::linspace(-2, 2, 12, at::kDouble).reshape({4, 3});
  const Tensor e = gaussian.covariance.whiten((z - gaussian.mean).unsqueeze(1)).squeeze(1);
  CHECK(test::largest(model.log_prior(z, {}) +
                      0.5 * (e.square().sum(1) + gaussian.covariance.log_det() + 3 * kLogTwoPi)) < 1e-10);

  constexpr int64_t kDraws = 200'000;
  model.rng.set_current_seed(7);
  const Tensor draws = model.sample_prior(kDraws, {}), off = draws - gaussian.mean;
  const Tensor dense = gaussian.covariance.dense()[0], deviation = dense.diagonal().sqrt();
  CHECK(test::largest(off.mean(0) / deviation) < 5 / std::sqrt(kDraws));
  CHECK(test::largest((off.t().mm(off) / kDraws - dense) / deviation / deviation.unsqueeze(1)) <
        10 / std::sqrt(kDraws));

  // −E_q log p against the mean over draws.
  model::Rows rows(*session, "test");
  const auto q = model.posterior(rows.range(0, 5).x, {});
  CHECK(model.has_closed_kl(*q, {}));
  const auto cross = model.prior().cross_entropy(*q, {});
  REQUIRE(cross);
  const Tensor sampled = -model.log_prior(q->rsample(20'000, model.rng).z, {});
  CHECK(test::largest((sampled.mean(0) - *cross) / (sampled.std(0) / std::sqrt(20'000.0))) < 5);
}

TEST_CASE("a mixture with full covariances has the density of its parts, and two clusters are found") {
  const Folder folder;
  auto session = autoencoder();
  const Tensor train = codes(*session, "train");
  fit(*session, "{ type = \"mixture\", components = 2, covariance = \"full\" }", folder);
  const auto state = session->assembly->state();
  const auto part = [&](const std::string& name) { return state.at("model/prior/" + name).detach(); };
  const Tensor m = part("buffers/location"), s = part("buffers/log_scale").exp();
  const Tensor below = part("parameters/prior.below").tril(-1);
  CHECK(test::largest(below) > 0.01);
  Tensor total;
  for (int64_t k = 0; k < 2; ++k) {
    const Tensor unit = at::linalg_inv(at::eye(3, at::kDouble) + below[k]);
    const Tensor factor = s.unsqueeze(1) * unit * part("parameters/prior.log_deviations")[k].exp();  // L L^T
    const Tensor away = train - m - s * part("parameters/prior.means")[k];
    const Tensor e = at::linalg_inv(factor).mm(away.t());
    const Tensor log_density =
        -0.5 * (e.square().sum(0) + 3 * kLogTwoPi) - at::logdet(factor.mm(factor.t())) / 2;
    const Tensor weighted = log_density + part("parameters/prior.logits").squeeze(1).log_softmax(0)[k];
    total = total.defined() ? at::logaddexp(total, weighted) : weighted;
  }
  const at::NoGradGuard no_grad;
  Model& model = session->assembly->model();
  CHECK(test::largest(model.log_prior(train, {}) - total) < 1e-9);

  // Draws follow the density: a second mixture's moments, by importance weights of the first one's draws, are trivial
  // only if they do. Here: E exp(log p̃ − log p) = 1 for another density p̃.
  model.rng.set_current_seed(3);
  const Tensor draws = model.sample_prior(100'000, {});
  const Tensor away = (draws - draws.mean(0)) / draws.std(0);
  const Tensor other =
      -0.5 * (away.square().sum(1) / 0.49 + 3 * kLogTwoPi) - draws.std(0).log().sum() - 3 * std::log(0.7);
  const Tensor ratio = (other - model.log_prior(draws, {})).exp();
  CHECK(ratio.mean().item<double>() ==
        testing::Approx(1).margin(5 * ratio.std().item<double>() / std::sqrt(1e5)));
}

TEST_CASE("q stays what was trained, and what depends on the prior follows the fitted one") {
  const Folder folder;
  measure::EvaluateOptions options;
  options.limit = 20;
  options.samples = 4;
  options.importance_samples = 20;
  options.dump = folder / "before.h5";
  auto session = test::open(Setup{.encoder = "mlp",
                                  .decoder = "mlp",
                                  .family = "type = \"optimal\"",
                                  .objective = "type = \"grae\", beta = 0.5"});
  measure::test::evaluate(*session, options);
  const train::ExPostFit found = fit(*session, "{ type = \"mixture\", components = 3 }", folder);
  options.dump = folder / "after.h5";
  const nlohmann::json after = measure::test::evaluate(*session, options);
  const auto one = checkpoint::read(folder / "before.h5").tensors,
             other = checkpoint::read(folder / "after.h5").tensors;
  for (const char* same : {"h", "covariance", "z", "terms/nll", "covariance_optimal"}) {
    INFO(same);
    CHECK(one.at(same).equal(other.at(same)));
  }
  CHECK_FALSE(one.at("terms/kl").equal(other.at("terms/kl")));
  CHECK(other.at("terms/elbo").mean().item<double>() < one.at("terms/elbo").mean().item<double>());
  CHECK(found.latents_after < found.latents_before);
  CHECK(after.at("kl") == "Monte Carlo");
  CHECK_THAT(after.at("model").at("prior").get<std::string>(),
             ContainsSubstring("mixture (org.variform.priors"));
  CHECK_THAT(after.at("model").at("prior").get<std::string>(), ContainsSubstring("fitted ex post"));
  CHECK_THAT(after.at("values").at("grae").at("undefined").get<std::string>(),
             ContainsSubstring("Gaussian prior"));
  CHECK(after.at("values").at("is_nll_optimal").contains("mean"));
}

TEST_CASE("a fit is kept, read again, and made again for another model or from a damaged file") {
  const Folder folder;
  const auto tensors = [](model::Session& session) { return session.assembly->state(); };
  auto first = test::open(Setup{});
  const train::ExPostFit made = fit(*first, "flow", folder);
  CHECK_FALSE(made.was_kept);
  REQUIRE(std::filesystem::exists(made.file));

  auto second = test::open(Setup{});
  const train::ExPostFit read = fit(*second, "{ type = \"flow\" }", folder);  // the same table
  CHECK(read.was_kept);
  CHECK(read.notes.empty());
  CHECK(read.latents_after == made.latents_after);
  CHECK_THAT(read.sentence(), ContainsSubstring("fitted before to 120 latents"));
  const auto of_second = tensors(*second);
  for (const auto& [name, tensor] : tensors(*first)) CHECK(tensor.equal(of_second.at(name)));

  auto third = test::open(Setup{});
  {
    std::fstream file(made.file, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4000);
    file.put('\x5a');
    file.put('\x5b');
  }
  const train::ExPostFit again = fit(*third, "flow", folder);
  CHECK_FALSE(again.was_kept);
  REQUIRE(again.notes.size() == 1);
  CHECK_THAT(again.notes[0], ContainsSubstring("It was fitted again"));
  CHECK(again.latents_after == made.latents_after);
  CHECK(checkpoint::read(made.file).attributes.contains("fit"));  // whole again

  auto trained = test::open(Setup{});
  {
    const at::NoGradGuard no_grad;
    test::state(*trained, "model/encoder/parameters/network.0.bias").add_(1e-3);
  }
  const train::ExPostFit of_another = fit(*trained, "flow", folder);
  CHECK_FALSE(of_another.was_kept);
  CHECK(of_another.file != made.file);
  CHECK(of_another.id == made.id);
}

TEST_CASE("what cannot be fitted is refused with a sentence") {
  const Folder folder;
  auto session = test::open(Setup{});
  CHECK_THROWS_WITH(fit(*session, "uniform", folder), ContainsSubstring("has a bounded support"));
  CHECK_THROWS_WITH(fit(*session, "{ type = \"mixture\", means = [1.0, 2.0] }", folder),
                    ContainsSubstring("'means' needs d = 3 numbers per component"));
  CHECK_THROWS_WITH(fit(*autoencoder(), "vamp", folder), ContainsSubstring("no density"));
  auto heavy = test::open(Setup{.family = "type = \"student-t\", df = 1.5", .prior = "student-t"});
  CHECK_THROWS_WITH(fit(*heavy, "gaussian", folder), ContainsSubstring("needs order 2"));
  CHECK(session->trained == nullptr);  // nothing was changed

  CHECK_THROWS_WITH(given("mixtur"), ContainsSubstring("--prior:1:") &&
                                         ContainsSubstring("There is no prior \"mixtur\"") &&
                                         ContainsSubstring("did you mean \"mixture\"?"));
  CHECK_THROWS_WITH(given("{ type = \"mixture\", component = 3 }"),
                    ContainsSubstring("--prior:1:") && ContainsSubstring("did you mean \"components\"?"));
  CHECK_THROWS_WITH(given("{ type = \"mixture\", components = 0 }"), ContainsSubstring("at least 1"));
  CHECK_THROWS_WITH(given("{ type = "), ContainsSubstring("This is not TOML"));
  CHECK_THROWS_WITH(given("{ from = \"runs/a\" }"), ContainsSubstring("not a run"));
  CHECK_THROWS_WITH(given(""), ContainsSubstring("There is no prior \"\""));
  CHECK_THROWS_WITH(given("{ type = \"gaussian\" }\nfoo = 1"), ContainsSubstring("foo"));
}

TEST_CASE("a deterministic model is evaluated at the optimal posterior of its objective's structure") {
  measure::EvaluateOptions options;
  options.limit = 30;
  const auto result = [&](const std::string& objective) {
    auto session = test::open(Setup{.family = "type = \"point\"", .objective = objective});
    return measure::test::evaluate(*session, options);
  };
  const auto value = [](const nlohmann::json& found, const char* name) {
    return found.at("values").at(name).at("mean").get<double>();
  };
  const nlohmann::json full = result("type = \"grae\", beta = 0.5"),
                       diagonal = result("type = \"grae-approx\", beta = 0.5"),
                       block = result("type = \"grae\", beta = 0.5, structure = \"block\", block = 2"),
                       none = result("type = \"rae-gp\"");
  CHECK(full.at("structure") == "full");
  CHECK(diagonal.at("structure") == "diagonal");
  CHECK(block.at("structure") == "blocks [2, 1]");
  CHECK(none.at("structure") == "full");
  CHECK_THAT(full.at("posterior_optimal").get<std::string>(), ContainsSubstring("the objective's"));
  CHECK_THAT(none.at("posterior_optimal").get<std::string>(),
             ContainsSubstring("neither family nor objective has one"));
  for (const auto& found : {full, diagonal, block, none}) {
    CHECK(value(found, "is_nll_optimal") < value(found, "elbo_optimal"));
    CHECK_THAT(found.at("values").at("elbo").at("undefined").get<std::string>(),
               ContainsSubstring("no density"));
  }
  // The decoder is linear: at β = 1 the full covariance is the posterior's, so that every weight is the same.
  CHECK(value(full, "elbo_optimal") < value(diagonal, "elbo_optimal"));
  CHECK(value(full, "loss_beta_optimal") == testing::Approx(value(full, "grae")).epsilon(0.05));
  CHECK(value(none, "elbo_optimal") == value(full, "elbo_optimal"));
}

}  // namespace
}  // namespace variform::train
