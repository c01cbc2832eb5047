// §6 of the theory: the relatives, as identities between objectives and with their papers' formulas (the values themselves
// are held against PyTorch in tests/reference).

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

namespace section6 {
namespace {

using variform::Draw;
using variform::Kind;
using variform::PushforwardTier;
using variform::Tensor;
using variform::Terms;
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
using variform::testing::Approx;

constexpr int64_t kP = 6, kD = 3, kB = 8;

Assembly assemble(const std::string& objective, const Values& values, const std::string& family = "diagonal",
                  const std::string& prior = "gaussian", const Values& family_values = {}) {
  Assembly model(kP, kD);
  model.with(Kind::kLikelihood, "bernoulli")
      .with(Kind::kPrior, prior)
      .with(Kind::kFamily, family, family_values);
  model.with(std::make_shared<SmallEncoder>(false, kP, 7, model->family().parameter_count(kD), 13));
  model.with(
      std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, kD, 8, kP, PushforwardTier::kLayers, 14));
  return std::move(model.with(Kind::kObjective, objective, values));
}

const Tensor& data() {
  static const Tensor x = uniform({kB, kP}, 15);
  return x;
}

Tensor mean_loss(const std::string& objective, const Values& values, const std::string& family = "diagonal",
                 const std::string& prior = "gaussian", const Values& family_values = {}) {
  Assembly model = assemble(objective, values, family, prior, family_values);
  return model.evaluate(data(), 5).loss.mean().detach();
}

double gap(const Tensor& a, const Tensor& b) { return (a - b).abs().item<double>() / b.abs().item<double>(); }

}  // namespace

TEST_CASE("§6: the plain autoencoder: family point; β has nothing to weigh") {
  Assembly model = assemble("rae-gp", {{"norm", num(0)}, {"penalty", num(0)}}, "point");
  const Tensor h = model->posterior(data(), {})->location();
  const Tensor expected = model->nll(data(), model->decode(h, {}), {});
  CHECK(error(model.evaluate(data()).loss, expected) < 1e-14);
  // GRAE at β = 0 is the same, and WAE-MMD without its discrepancy.
  CHECK(error(assemble("grae", {{"beta", num(0)}}, "point").evaluate(data()).loss, expected) < 1e-14);
  CHECK(gap(mean_loss("wae-mmd", {{"weight", num(0)}}, "point"), expected.mean()) < 1e-14);
}

TEST_CASE("§6: RAE-L2 and RAE-GP: ‖J‖²_F of the decoder, which is not that of the row-summed gradient") {
  Assembly model = assemble("rae-gp", {{"norm", num(0.3)}, {"penalty", num(0.7)}}, "point");
  const Tensor h = model->posterior(data(), {})->location(), j = variform::test::jacobian(*model, h);
  const Tensor expected =
      model->nll(data(), model->decode(h, {}), {}) + 0.15 * h.square().sum(-1) + 0.7 * j.square().sum({1, 2});
  CHECK(error(model.evaluate(data()).loss, expected) < 1e-12);
  CHECK((0.7 * j.sum(1).square().sum(-1) - model.part(data(), "penalty")).abs().min().item<double>() > 1e-3);
  // Random signs: unbiased.
  Assembly probes =
      assemble("rae-gp", {{"norm", num(0.3)}, {"penalty", num(0.7)}, {"probes", num(4000)}}, "point");
  CHECK(error(probes.part(data(), "penalty"), model.part(data(), "penalty")) < 0.1);
  CHECK(error(probes.part(data(), "penalty"), model.part(data(), "penalty")) > 0);
}

TEST_CASE("§6: the constant-variance VAE under §3 is RAE-GP with a Gaussian: ½ σ₀² ‖J‖²_F and (β/2)‖h‖²") {
  const double s = 0.4, beta = 0.7;
  const auto gaussian = [&](const char* objective, const Values& values, const char* family,
                            const Values& family_values) {
    Assembly model = assemble("beta-vae", {}, family, "gaussian", family_values);
    model.with(Kind::kLikelihood, "gaussian").with(Kind::kObjective, objective, values);
    return model.evaluate(data()).loss.detach();
  };
  const Tensor taylor = gaussian("taylor", {{"beta", num(beta)}}, "fixed", {{"deviation", num(s)}});
  const Tensor rae = gaussian("rae-gp", {{"norm", num(beta)}, {"penalty", num(0.5 * s * s)}}, "point", {});
  const double constant = 0.5 * beta * static_cast<double>(kD) * (s * s - 1 - 2 * std::log(s));
  CHECK(error(taylor, rae + constant, rae) < 1e-12);
}

TEST_CASE("§6: capacity and free bits: β|KL − C| and β max(KL, λ), of each row") {
  Assembly plain = assemble("beta-vae", {{"beta", num(1.7)}});
  const Tensor nll = plain.part(data(), "nll", 5), kl = plain.part(data(), "kl", 5);
  const double middle = kl.median().item<double>();
  const auto loss = [&](const char* key, double value) {
    return assemble("beta-vae", {{"beta", num(1.7)}, {key, num(value)}}).evaluate(data(), 5).loss;
  };
  CHECK(error(loss("capacity", middle + 0.01), nll + 1.7 * (kl - middle - 0.01).abs()) < 1e-14);
  CHECK(error(loss("capacity", 0), nll + 1.7 * kl) < 1e-14);
  CHECK(error(loss("free", middle + 0.01), nll + 1.7 * kl.clamp_min(middle + 0.01)) < 1e-14);
}

TEST_CASE("§6: IWAE: K = 1 is −ELBO; the bound never rises with K, never falls below −log p(x)") {
  Assembly one = assemble("iwae", {{"samples", num(1)}});
  const Terms terms = one.evaluate(data(), 5);
  one->rng.set_current_seed(5);
  const auto q = one->posterior(data(), {});
  const Draw draw = q->rsample(1, one->rng);
  const Tensor elbo =
      one->log_prior(draw.z, {}) - one->nll(data(), one->decode(draw.z, {}), {}) - q->log_prob(draw);
  CHECK(error(terms.loss, -elbo[0]) < 1e-13);
  // Expectations by many repetitions; standard errors from them.
  const at::NoGradGuard guard;
  Tensor before, before_error;
  for (int64_t K : {1, 2, 5, 30}) {
    Assembly model = assemble("iwae", {{"samples", num(static_cast<double>(K))}});
    const int64_t repetitions = 3000 / K + 100;
    std::vector<Tensor> losses;
    for (int64_t i = 0; i < repetitions; ++i)
      losses.push_back(model.evaluate(data(), static_cast<std::uint64_t>(100 + i)).loss);
    const Tensor all = at::stack(losses), mean = all.mean(0),
                 se = all.std(0) / std::sqrt(static_cast<double>(repetitions));
    if (before.defined()) CHECK(((mean - before) / (se + before_error)).max().item<double>() < 4);
    before = mean;
    before_error = se;
  }
  // −log p(x) by the prior's draws.
  const Tensor z = one->sample_prior(40000, {}).unsqueeze(1).expand({40000, kB, kD});
  const Tensor evidence = (-one->nll(data(), one->decode(z, {}), {})).logsumexp(0) - std::log(40000.0);
  CHECK((before + evidence).min().item<double>() > -0.05);
}

TEST_CASE("§6: β-TCVAE: its three parts add up to log q(z|x) − log p(z), so that β = 1 is −ELBO") {
  Assembly model = assemble("beta-tcvae", {{"beta", num(1)}});
  const Terms terms = model.evaluate(data(), 5);
  model->rng.set_current_seed(5);
  const auto q = model->posterior(data(), {});
  const Draw draw = q->rsample(1, model->rng);
  const Tensor whole = (q->log_prob(draw) - model->log_prior(draw.z, {}))[0];
  const Tensor parts =
      model.part(data(), "mi", 5) + model.part(data(), "tc", 5) + model.part(data(), "kl_by_dimension", 5);
  CHECK(error(parts, whole, whole.abs().max()) < 1e-12);
  CHECK(gap(terms.loss, (model->nll(data(), model->decode(draw.z, {}), {})[0] + whole).mean()) < 1e-12);
  // Another β weighs the total correlation, and nothing else.
  const Tensor six = mean_loss("beta-tcvae", {{"beta", num(6)}});
  CHECK(gap(six, terms.loss.detach() + 5 * model.part(data(), "tc", 5).mean()) < 1e-12);
  // One latent has no total correlation: what its estimate says is 0.
  Assembly single(kP, 1);
  single.with(Kind::kLikelihood, "bernoulli").with(Kind::kPrior, "gaussian").with(Kind::kFamily, "diagonal");
  single.with(std::make_shared<SmallEncoder>(false, kP, 7, 2, 13));
  single.with(
      std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, 1, 8, kP, PushforwardTier::kLayers, 14));
  single.with(Kind::kObjective, "beta-tcvae", {});
  CHECK(single.part(data(), "tc").abs().max().item<double>() < 1e-13);
}

TEST_CASE("§6: FactorVAE at γ = 0, DIP-VAE at λ = 0, InfoVAE at α = 0, λ = 1 are the VAE, draw by draw") {
  const Tensor vae = mean_loss("beta-vae", {{"beta", num(1)}});
  Assembly factor = assemble("factor-vae", {{"gamma", num(0)}});
  CHECK(gap(factor.part(data(), "elbo", 5).mean(), vae) < 1e-14);
  const Terms terms = factor.evaluate(data(), 5);
  CHECK(gap(terms.loss.mean() - factor.part(data(), "critic", 5).mean(), vae) < 1e-13);
  const Values off{{"off_diagonal", num(0)}, {"diagonal", num(0)}};
  CHECK(gap(mean_loss("dip-vae-i", off), vae) < 1e-14);
  CHECK(gap(mean_loss("dip-vae-ii", off), vae) < 1e-14);
  Assembly info = assemble("info-vae", {{"alpha", num(0)}, {"weight", num(1)}});
  CHECK(gap((info.part(data(), "nll", 5) + info.part(data(), "kl", 5)).mean(), vae) < 1e-14);
  CHECK(gap(info.evaluate(data(), 5).loss.mean(), vae) < 1e-13);
}

TEST_CASE("§6: InfoVAE at α = 1 is WAE-MMD; at α = 1 − β, λ = β it is the β-VAE") {
  CHECK(gap(mean_loss("info-vae", {{"alpha", num(1)}, {"weight", num(7)}}),
            mean_loss("wae-mmd", {{"weight", num(7)}})) < 1e-14);
  CHECK(gap(mean_loss("info-vae", {{"alpha", num(0.7)}, {"weight", num(0.3)}}),
            mean_loss("beta-vae", {{"beta", num(0.3)}})) < 1e-13);
}

TEST_CASE("§6: DIP-VAE: Cov(z) = Cov(mean) + E[Σ_x], from draws") {
  Assembly model = assemble("dip-vae-ii", {{"off_diagonal", num(3)}, {"diagonal", num(2)}}, "full");
  const at::NoGradGuard guard;
  const auto q = model->posterior(data(), {});
  const Tensor z = q->rsample(100000, model->rng).z.reshape({-1, kD});
  const Tensor c = at::cov(z.t()), eye = at::eye(kD, at::kDouble);
  const auto penalty = [&](const Tensor& m) {
    return 3 * (m * (1 - eye)).square().sum() + 2 * (m.diagonal() - 1).square().sum();
  };
  CHECK(model.part(data(), "penalty").item<double>() == Approx(penalty(c).item<double>()).epsilon(0.05));
  Assembly means = assemble("dip-vae-i", {{"off_diagonal", num(3)}, {"diagonal", num(2)}}, "full");
  const Tensor of_means = at::cov(q->location().t(), /*correction=*/0);
  CHECK(error(means.part(data(), "penalty"), penalty(of_means)) < 1e-13);
}

TEST_CASE(
    "§6: WAE-MMD: the discrepancy's kernels C/(C + ‖a − b‖²), unbiased; 0 on average when q(z) = p(z)") {
  Assembly model = assemble("wae-mmd", {}, "point");
  model->rng.set_current_seed(5);
  const Tensor q = model->posterior(data(), {})->location();
  const Tensor p = model->sample_prior(kB, {});
  const auto kernel = [](const Tensor& a, const Tensor& b) {
    double sum = 0;
    for (double factor : {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0}) {
      const double c = 2.0 * kD * factor;
      sum += c / (c + (a - b).square().sum().item<double>());
    }
    return sum;
  };
  double expected = 0;
  const double n = kB;
  for (int64_t i = 0; i < kB; ++i)
    for (int64_t k = 0; k < kB; ++k) {
      if (i != k) expected += (kernel(p[i], p[k]) + kernel(q[i], q[k])) / (n * (n - 1));
      expected -= 2 * kernel(p[i], q[k]) / (n * n);
    }
  CHECK(model.part(data(), "mmd", 5).item<double>() == Approx(expected).epsilon(1e-12));
  // q(z|x) = p(z) for every x: the estimate is 0 within its spread, of either sign.
  Assembly same = assemble("wae-mmd", {});
  const at::NoGradGuard guard;
  same.encoder().c_.zero_();
  same.encoder().e_.zero_();
  std::vector<Tensor> found;
  for (std::uint64_t seed = 0; seed < 400; ++seed) found.push_back(same.part(data(), "mmd", seed));
  const Tensor all = at::stack(found);
  CHECK(std::abs(all.mean().item<double>()) < 4 * all.std().item<double>() / 20);
  CHECK(all.min().item<double>() < 0);
}

TEST_CASE("§6: annealing: the schedule's tensor is the weight of this step") {
  Assembly model = assemble("beta-vae", {{"beta", num(2)}});
  const Tensor nll = model.part(data(), "nll", 5), kl = model.part(data(), "kl", 5);
  for (double now : {0.0, 0.3, 5.0}) {
    model->objective().beta()->fill_(now);
    CHECK(error(model.evaluate(data(), 5).loss, nll + now * kl) < 1e-14);
    CHECK(*model->objective().final_beta() == 2);
  }
}

TEST_CASE("§6: RAE-SN: spectral normalisation bounds the decoder's Jacobian") {
  Assembly model = assemble("rae-gp", {}, "point");
  const auto largest = [&](bool normalised) {
    model.with(Kind::kDecoder, "mlp",
               {{"hidden", list({9, 9})},
                {"activation", txt("relu")},
                {"normalisation", txt(normalised ? "spectral" : "none")}});
    const at::NoGradGuard guard;
    for (const Tensor& parameter : model->decoder().parameters())
      if (parameter.dim() == 2) Tensor(parameter).mul_(20);
    for (int64_t step = 0; step < 200; ++step) {
      model->set_step(step);  // one power iteration per step
      model->decode(normal({1, kD}, 1), {});
    }
    const at::AutoGradMode on(true);
    return at::linalg_svdvals(variform::test::jacobian(*model, normal({20, kD}, 2))).max().item<double>();
  };
  CHECK(largest(false) > 10);
  CHECK(largest(true) < 1.05);
}

}  // namespace section6
