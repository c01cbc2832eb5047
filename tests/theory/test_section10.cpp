// §10 of the theory: definitions that trip people. Constants in nats, means over batches and sums over dimensions,
// importance weights.

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

namespace section10 {
namespace {

using variform::Draw;
using variform::Kind;
using variform::PushforwardTier;
using variform::Tensor;
using variform::test::Assembly;
using variform::test::error;
using variform::test::normal;
using variform::test::num;
using variform::test::SmallDecoder;
using variform::test::SmallEncoder;
using variform::test::uniform;
using variform::test::Values;
using variform::testing::Approx;

Assembly with_likelihood(int64_t P, const std::string& likelihood, const Values& values = {}) {
  Assembly model(P, 2);
  return std::move(model.with(Kind::kLikelihood, likelihood, values));
}

// Probabilistic PCA and its evidence −log p(x) = −log N(x; 0, I + WWᵀ).
Assembly pca(const std::string& family, const std::string& objective, const Values& values) {
  Assembly model(5, 2);
  model.with(Kind::kLikelihood, "gaussian").with(Kind::kPrior, "gaussian").with(Kind::kFamily, family);
  model.with(std::make_shared<SmallEncoder>(true, 5, 5, model->family().parameter_count(2), 3));
  model.with(
      std::make_shared<SmallDecoder>(SmallDecoder::Shape::kLinear, 2, 5, 5, PushforwardTier::kLayers, 4));
  {
    const at::NoGradGuard guard;
    model.decoder().v_.copy_(at::eye(5, at::kDouble));
    model.decoder().set_linear(0.7 * normal({5, 2}, 5));
  }
  return std::move(model.with(Kind::kObjective, objective, values));
}
Tensor evidence(Assembly& model, const Tensor& x) {
  const Tensor w = model.decoder().product().detach(), c = at::eye(5, at::kDouble) + w.mm(w.t());
  return -0.5 * ((x.mm(c.inverse()) * x).sum(-1) + at::logdet(c) + 5 * std::log(2 * M_PI));
}

}  // namespace

TEST_CASE("§10: Gaussian ℓ = ‖x−g‖²/(2σ²) + (P/2) log 2πσ²: 720.4 nats at P = 784, σ = 1 and no error") {
  Assembly model = with_likelihood(784, "gaussian");
  const Tensor zero = at::zeros({1, 784}, at::kDouble);
  CHECK(model->nll(zero, zero.unsqueeze(1), {}).item<double>() ==
        Approx(392 * std::log(2 * M_PI)).epsilon(1e-13));
  CHECK(std::abs(model->nll(zero, zero.unsqueeze(1), {}).item<double>() - 720.4) < 0.05);
  for (double variance : {1e-3, 0.5, 1e3})
    for (int64_t P : {1, 17}) {
      Assembly other = with_likelihood(P, "gaussian", {{"variance", num(variance)}});
      const Tensor x = normal({4, P}, 1), g = normal({4, 1, P}, 2);
      const Tensor expected = (x - g.squeeze(1)).square().sum(-1) / (2 * variance) +
                              0.5 * static_cast<double>(P) * std::log(2 * M_PI * variance);
      CHECK(error(other->nll(x, g, {}), expected, expected.abs() + 1) < 1e-12);
    }
}

TEST_CASE("§10: sums over dimensions: bits per dimension are nats/(P log 2)") {
  for (int64_t P : {1, 12}) {
    const double bit = static_cast<double>(P) * std::log(2.0);
    Assembly coin = with_likelihood(P, "bernoulli");  // a fair coin: 1 bit per dimension
    const Tensor zero = at::zeros({1, P}, at::kDouble);
    CHECK(coin->nll(zero, zero.unsqueeze(1), {}).item<double>() / bit == Approx(1).epsilon(1e-13));
    Assembly dice = with_likelihood(P, "categorical", {{"classes", num(256)}});  // 256 equal classes: 8 bits
    CHECK(dice->nll(zero, at::zeros({1, 256, P}, at::kDouble), {}).item<double>() / bit ==
          Approx(8).epsilon(1e-13));
  }
}

TEST_CASE("§10: means over the batch: a batch twice over has the same loss") {
  Assembly model = pca("full", "taylor", {});
  const Tensor x = normal({6, 5}, 1);
  const Tensor once = model.evaluate(x).loss.mean(), twice = model.evaluate(at::cat({x, x})).loss.mean();
  CHECK(error(twice, once) < 1e-13);
}

TEST_CASE("§10: importance-weighted NLL: log-mean-exp of K weights; its mean estimate of p(x) is unbiased") {
  const int64_t K = 50;
  Assembly model = pca("diagonal", "iwae", {{"samples", num(static_cast<double>(K))}});
  const at::NoGradGuard guard;
  const Tensor x = normal({3, 5}, 2);
  const Tensor loss = model.evaluate(x, 7).loss;
  model->rng.set_current_seed(7);
  const auto q = model->posterior(x, {});
  const Draw draw = q->rsample(K, model->rng);
  const Tensor log_w =
      model->log_prior(draw.z, {}) - model->nll(x, model->decode(draw.z, {}), {}) - q->log_prob(draw);
  CHECK(error(loss, -log_w.exp().mean(0).log()) < 1e-12);  // not the mean of logarithms
  CHECK((-log_w.mean(0) - loss).min().item<double>() > 0);
  // p̂(x) averages to p(x), whatever K and q; −log p̂ is above it on average.
  std::vector<Tensor> ratios, losses;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    losses.push_back(model.evaluate(x, seed).loss);
    ratios.push_back((-losses.back() - evidence(model, x)).exp());
  }
  const Tensor ratio = at::stack(ratios), se = ratio.std(0) / std::sqrt(1500.0);
  CHECK(((ratio.mean(0) - 1).abs() / se).max().item<double>() < 4.5);
  CHECK((at::stack(losses).mean(0) + evidence(model, x)).min().item<double>() > 0);
}

TEST_CASE("§10: with the exact posterior every weight is p(x): the bound is the evidence for any K") {
  for (int64_t K : {1, 7}) {
    Assembly model = pca("optimal", "iwae", {{"samples", num(static_cast<double>(K))}});
    model.with(Kind::kFamily, "optimal", {{"beta", num(1)}});
    const at::NoGradGuard guard;
    const Tensor w = model.decoder().product(), a = at::eye(2, at::kDouble) + w.t().mm(w);
    model.encoder().c_.copy_(a.inverse().mm(w.t()));
    model.encoder().e_.zero_();
    const Tensor x = normal({3, 5}, 2);
    CHECK(error(model.evaluate(x).loss, -evidence(model, x)) < 1e-11);
    CHECK(error(model.part(x, "effective_samples"), at::full({3}, static_cast<double>(K), at::kDouble)) <
          1e-9);
  }
}

}  // namespace section10
