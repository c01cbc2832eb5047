// §7 of the theory (and the end of §4): probabilistic PCA, where everything is exact. x = Wz + σε, z ~ N(0, I).

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>

namespace section7 {
namespace {

using variform::Kind;
using variform::PushforwardTier;
using variform::Structure;
using variform::Tensor;
using variform::test::Assembly;
using variform::test::error;
using variform::test::minimise;
using variform::test::normal;
using variform::test::num;
using variform::test::rotation;
using variform::test::SmallDecoder;
using variform::test::SmallEncoder;
using variform::test::txt;
using variform::test::Values;

constexpr int64_t kP = 7, kB = 6;
constexpr double kVariance = 0.45;

struct Pca {
  Tensor w;  // [P, d]
  double beta;
  Tensor a() const { return at::eye(w.size(1), at::kDouble) + w.t().mm(w) / (beta * kVariance); }
};

// The model with decoder W and the optimal linear encoder, A⁻¹Wᵀx/(βσ²).
Assembly assemble(const Pca& pca, const std::string& objective, const Values& values,
                  const std::string& family = "point", const Values& family_values = {}) {
  const int64_t d = pca.w.size(1);
  Assembly model(kP, d);
  model.with(Kind::kLikelihood, "gaussian", {{"variance", num(kVariance)}}).with(Kind::kPrior, "gaussian");
  model.with(Kind::kFamily, family, family_values);
  model.with(std::make_shared<SmallEncoder>(true, kP, kP, d, 1));
  model.with(
      std::make_shared<SmallDecoder>(SmallDecoder::Shape::kLinear, d, 9, kP, PushforwardTier::kLayers, 2));
  {
    const at::NoGradGuard guard;
    model.decoder().v_.copy_(at::eye(kP, 9, at::kDouble));
    model.decoder().set_linear(pca.w);
    model.encoder().c_.copy_(pca.a().inverse().mm(pca.w.t()) / (pca.beta * kVariance));
    model.encoder().e_.zero_();
  }
  return std::move(model.with(Kind::kObjective, objective, values));
}

const Tensor& data() {
  static const Tensor x = normal({kB, kP}, 3);
  return x;
}

// −log N(x; 0, C)
Tensor negative_log_normal(const Tensor& x, const Tensor& c) {
  return 0.5 * ((x.mm(c.inverse()) * x).sum(-1) + at::logdet(c) +
                static_cast<double>(x.size(1)) * std::log(2 * M_PI));
}

Tensor level_full(const Pca& pca) {  // §7's L_full(x)
  const Tensor c = pca.beta * kVariance * at::eye(kP, at::kDouble) + pca.w.mm(pca.w.t());
  return pca.beta * negative_log_normal(data(), c) -
         0.5 * pca.beta * kP * std::log(2 * M_PI * pca.beta * kVariance) +
         0.5 * kP * std::log(2 * M_PI * kVariance);
}

Tensor grae(const Pca& pca, const char* structure, int64_t block = 0) {
  return assemble(pca, "grae",
                  {{"beta", num(pca.beta)},
                   {"structure", txt(structure)},
                   {"block", num(static_cast<double>(block))}})
      .evaluate(data())
      .loss.detach();
}

double gap(const Pca& pca) {
  const Tensor a = pca.a();
  return 0.5 * pca.beta * (a.diagonal().log().sum() - at::logdet(a)).item<double>();
}

}  // namespace

TEST_CASE("§7: GRAE at the optimal encoder is L_full, and −log p(x) at β = 1") {
  for (double beta : {0.05, 0.6, 1.0, 4.0}) {
    const Pca pca{normal({kP, 3}, 4), beta};
    CAPTURE(beta);
    CHECK(error(grae(pca, "full"), level_full(pca)) < 1e-10);
    if (beta == 1.0) {
      const Tensor c = kVariance * at::eye(kP, at::kDouble) + pca.w.mm(pca.w.t());
      CHECK(error(grae(pca, "full"), negative_log_normal(data(), c)) < 1e-12);
    }
    // More latents than data values.
    const Pca wide{normal({kP, kP + 2}, 5), beta};
    CHECK(error(grae(wide, "full"), level_full(wide)) < 1e-10);
  }
}

TEST_CASE("§7: the optimal mean is stationary, for the mean-field and the full family alike") {
  for (const char* structure : {"full", "diagonal"}) {
    const Pca pca{normal({kP, 3}, 4), 0.6};
    Assembly model = assemble(pca, "grae", {{"beta", num(0.6)}, {"structure", txt(structure)}});
    const Tensor loss = model.evaluate(data()).loss.sum();
    for (const Tensor& gradient : torch::autograd::grad({loss}, model.encoder().parameters()))
      CHECK(gradient.abs().max().item<double>() < 1e-11);
  }
}

TEST_CASE("§7: family 'optimal' is the exact posterior, and its evidence bound is the evidence at β = 1") {
  const Pca pca{normal({kP, 3}, 4), 1.0};
  Assembly model = assemble(pca, "beta-vae", {{"samples", num(20000)}}, "optimal");
  const at::NoGradGuard guard;
  const auto posterior = model->posterior(data(), {});
  CHECK(error(posterior->covariance()->dense(), pca.a().inverse().expand({kB, 3, 3})) < 1e-12);
  // log p(x) = log p(x|z) + log p(z) − log q(z|x) for every z.
  const Tensor c = kVariance * at::eye(kP, at::kDouble) + pca.w.mm(pca.w.t()),
               evidence = -negative_log_normal(data(), c);
  const variform::Draw draw = posterior->rsample(5, model->rng);
  const Tensor bound = -model->nll(data(), model->decode(draw.z, {}), {}) + model->log_prior(draw.z, {}) -
                       posterior->log_prob(draw);
  CHECK(error(bound, evidence.expand({5, kB})) < 1e-11);
  // The β-VAE objective estimates it: within 4 standard errors.
  const variform::Terms terms = model.evaluate(data(), 8);
  const double spread = std::sqrt(3 * 0.5 + 3.0);  // var of ℓ under q is of the order of d/2
  CHECK((terms.loss + evidence).abs().max().item<double>() < 4 * spread / std::sqrt(20000.0));
  // The closed part is exact: KL against its formula.
  const Tensor h = posterior->location(), sigma = pca.a().inverse();
  const Tensor kl = 0.5 * (sigma.trace() + h.square().sum(-1) - 3 - at::logdet(sigma));
  CHECK(error(terms.parts[1].second, kl) < 1e-12);
}

TEST_CASE("§7: the best L_β of every structured family: family 'optimal' inside the structure") {
  const Pca pca{normal({kP, 4}, 6), 0.6};
  for (const char* structure : {"full", "diagonal", "isotropic", "block"}) {
    const Values family{{"structure", txt(structure)}, {"block", num(2)}, {"beta", num(pca.beta)}};
    Assembly model = assemble(pca, "beta-vae", {{"beta", num(pca.beta)}}, "optimal", family);
    const at::NoGradGuard guard;
    const auto posterior = model->posterior(data(), {});
    const auto [g, h] = model->latent_hessian(data(), posterior->location(), model->unit_tangents(kB), {});
    const variform::Draw draw = posterior->rsample(1, model->rng);
    const Tensor level = model->nll(data(), g, {}) + 0.5 * posterior->covariance()->trace(h) +
                         pca.beta * model->kl(*posterior, draw, {});
    CAPTURE(structure);
    CHECK(error(level, grae(pca, structure, 2)) < 1e-12);
  }
}

TEST_CASE("§7: gap(R) = (β/2)[Σ log (A_R)_ii − log det A], the same for every x, zero iff A_R is diagonal") {
  const double beta = 0.6;
  for (int64_t d : {2, 3, 5}) {
    const Tensor w = normal({kP, d}, 7);
    const Tensor full = grae({w, beta}, "full"), isotropic = grae({w, beta}, "isotropic");
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const Pca rotated{w.mm(rotation(d, seed)), beta};
      CAPTURE(d, seed);
      CHECK(error(grae(rotated, "full"), full) < 1e-12);            // the full family does not see R
      CHECK(error(grae(rotated, "isotropic"), isotropic) < 1e-12);  // nor does the isotropic one: the control
      CHECK(error(grae(rotated, "diagonal") - full, at::full({kB}, gap(rotated), at::kDouble), full.abs()) <
            1e-12);
      CHECK(gap(rotated) > 1e-3);
    }
    const Tensor axes = std::get<1>(at::linalg_eigh(w.t().mm(w)));  // columns orthogonal: no gap
    CHECK(error(grae({w.mm(axes), beta}, "diagonal"), full) < 1e-12);
    const Tensor equal = rotation(kP, 8).narrow(1, 0, d);  // A ∝ I: no gap for any R
    CHECK(error(grae({equal.mm(rotation(d, 9)), beta}, "diagonal"), grae({equal, beta}, "full")) < 1e-12);
  }
}

TEST_CASE("§7: the gap in two dimensions, period π/2, with its maximum") {
  const double beta = 0.8;
  const Tensor axes = rotation(kP, 10).narrow(1, 0, 2) * at::tensor({2.0, 0.7}, at::kDouble);
  const Tensor a = Pca{axes, beta}.a();
  const double a1 = a[0][0].item<double>(), a2 = a[1][1].item<double>();
  const Tensor full = grae({axes, beta}, "full");
  double largest = 0;
  for (int step = 0; step <= 16; ++step) {
    const double theta = M_PI * step / 16, c = std::cos(theta), s = std::sin(theta);
    const Tensor r = at::tensor({c, -s, s, c}, at::kDouble).reshape({2, 2});
    const double expected =
        0.5 * beta * std::log1p(std::pow((a1 - a2) * std::sin(2 * theta), 2) / (4 * a1 * a2));
    const Tensor found = grae({axes.mm(r), beta}, "diagonal") - full;
    CHECK((found - expected).abs().max().item<double>() < 1e-12 * full.abs().max().item<double>());
    largest = std::max(largest, expected);
  }
  CHECK(largest ==
        variform::testing::Approx(beta * std::log((a1 + a2) / (2 * std::sqrt(a1 * a2)))).epsilon(1e-12));
}

TEST_CASE("§4: trained probabilistic PCA: the optimum L*, its eigenvalues and active latents") {
  // Data with covariance eigenvalues λ, decoder bias = mean, variance 1: G_ii = λ_i − β at the optimum (§4, end).
  const double beta = 0.6;
  const int64_t d = 4;
  const Tensor lambda = at::tensor({6.0, 3.0, 1.2, 0.4, 0.2, 0.1, 0.05}, at::kDouble),
               axes = rotation(kP, 11);
  // 2P points whose second moment is exactly that.
  const Tensor points = (axes * (lambda * static_cast<double>(kP)).sqrt()).t();
  const Tensor x = at::cat({points, -points});
  const Tensor slopes = (lambda.narrow(0, 0, d) - beta).clamp_min(0).sqrt(),
               w = axes.narrow(1, 0, d) * slopes;
  const int64_t active = 3;
  const double expected = 0.5 * lambda.narrow(0, active, kP - active).sum().item<double>() +
                          0.5 * beta * (1 + (lambda.narrow(0, 0, active) / beta).log()).sum().item<double>() +
                          0.5 * static_cast<double>(kP) * std::log(2 * M_PI);
  for (const char* structure : {"full", "diagonal"}) {
    Assembly model(kP, d);
    model.with(Kind::kLikelihood, "gaussian").with(Kind::kPrior, "gaussian").with(Kind::kFamily, "point");
    model.with(std::make_shared<SmallEncoder>(true, kP, kP, d, 1));
    model.with(
        std::make_shared<SmallDecoder>(SmallDecoder::Shape::kLinear, d, 9, kP, PushforwardTier::kLayers, 2));
    {
      const at::NoGradGuard guard;
      model.decoder().v_.copy_(at::eye(kP, 9, at::kDouble));
      model.decoder().set_linear(w);
      const Tensor a = at::eye(d, at::kDouble) + w.t().mm(w) / beta;
      model.encoder().c_.copy_(a.inverse().mm(w.t()) / beta);
      model.encoder().e_.zero_();
    }
    model.with(Kind::kObjective, "grae", {{"beta", num(beta)}, {"structure", txt(structure)}});
    const Tensor loss = model.evaluate(x).loss.mean();
    CHECK(std::abs(loss.item<double>() - expected) < 1e-12 * expected);
    std::vector<Tensor> tensors = model.encoder().parameters();
    tensors.push_back(model.decoder().w_);
    for (const Tensor& gradient : torch::autograd::grad({loss}, tensors))  // stationary
      CHECK(gradient.abs().max().item<double>() < 1e-12);
    const Tensor variances = model->posterior(x, {})->location().square().mean(0);
    CHECK((variances > 0.01).sum().item<int64_t>() == active);
    const Tensor moved =
        w + 0.1 * normal({kP, d}, 12);  // any other decoder is worse, with its own best encoder
    const at::NoGradGuard guard;
    model.decoder().set_linear(moved);
    model.encoder().c_.copy_((at::eye(d, at::kDouble) + moved.t().mm(moved) / beta).inverse().mm(moved.t()) /
                             beta);
    CHECK(model.evaluate(x).loss.mean().item<double>() > expected + 1e-3);
  }
}

namespace {

// KL(N(m, Σ) ‖ N(μ, A⁻¹)).
Tensor kl(const Tensor& m, const Tensor& sigma, const Tensor& mu, const Tensor& a) {
  const Tensor away = m - mu;
  return 0.5 * ((a * sigma).sum() + away.dot(a.mv(away)) - static_cast<double>(mu.size(0)) - at::logdet(a) -
                at::logdet(sigma));
}

// A log density and its transform by r: the points r(z), and log |det ∂r/∂z| by autograd; z [n, d].
std::pair<Tensor, Tensor> transformed(const std::function<Tensor(const Tensor&)>& r, const Tensor& z) {
  const Tensor leaf = z.clone().requires_grad_(true), image = r(leaf);
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < z.size(1); ++i)
    rows.push_back(torch::autograd::grad({image.select(1, i).sum()}, {leaf}, {}, true)[0]);
  return {image.detach(), at::logdet(at::stack(rows, 1).matmul(at::stack(rows, 1).transpose(1, 2))) / 2};
}

}  // namespace

TEST_CASE("§7: equivalent solutions: maps that leave the prior unchanged leave the marginal unchanged") {
  // Linear: the rotations for N(0, I); the same in scaled coordinates for N(0, diag Λ): W' = WΛ^½RΛ^−½.
  const Tensor w = normal({kP, 3}, 20), r = rotation(3, 21),
               lambda = at::tensor({0.2, 1.0, 4.0}, at::kDouble);
  CHECK(error(w.mm(r).mm(w.mm(r).t()), w.mm(w.t())) < 1e-13);
  const Tensor other = w.mul(lambda.sqrt()).mm(r).div(lambda.sqrt());
  CHECK(error(other.mul(lambda).mm(other.t()), w.mul(lambda).mm(w.t())) < 1e-12);
  CHECK((w.mm(r).mul(lambda).mm(w.mm(r).t()) - w.mul(lambda).mm(w.t())).abs().max().item<double>() > 0.1);
  // Nonlinear, for N(0, I): a rotation by an angle that depends on ‖z‖.
  const Tensor z = normal({200, 2}, 22);
  const auto swirl = [](const Tensor& p) {
    const Tensor angle = 2 * p.square().sum(1), c = angle.cos(), s = angle.sin();
    return at::stack({c * p.select(1, 0) - s * p.select(1, 1), s * p.select(1, 0) + c * p.select(1, 1)}, 1);
  };
  const auto normal_density = [](const Tensor& p) { return -0.5 * p.square().sum(1); };
  {
    const auto [image, log_det] = transformed(swirl, z);
    CHECK(error(normal_density(image) + log_det, normal_density(z), normal_density(z).abs().max()) < 1e-11);
    CHECK((image - z).abs().max().item<double>() > 1);
  }
  // And through F∘R∘F⁻¹ for a factorized prior that is not Gaussian (logistic here): nonlinear, but there.
  Assembly model(kP, 2);
  model.with(Kind::kPrior, "logistic", {{"scale", num(1)}});
  const auto gaussian_of = [](const Tensor& p) { return at::erfinv(2 * p.sigmoid() - 1) * std::sqrt(2.0); };
  const auto logistic_of = [](const Tensor& n) { return at::logit(0.5 * at::erfc(-n / std::sqrt(2.0))); };
  const Tensor turn =
      at::tensor({std::cos(0.6), -std::sin(0.6), std::sin(0.6), std::cos(0.6)}, at::kDouble).reshape({2, 2});
  const auto [image, log_det] =
      transformed([&](const Tensor& p) { return logistic_of(gaussian_of(p).mm(turn.t())); }, z);
  CHECK(error(model->log_prior(image, {}) + log_det, model->log_prior(z, {}),
              model->log_prior(z, {}).abs().max()) < 1e-8);
  // The linear rotation itself does change that prior; a signed permutation does not.
  CHECK((model->log_prior(z.mm(turn.t()), {}) - model->log_prior(z, {})).abs().max().item<double>() > 0.1);
  const Tensor swap = at::tensor({0.0, -1.0, 1.0, 0.0}, at::kDouble).reshape({2, 2});
  CHECK(error(model->log_prior(z.mm(swap), {}), model->log_prior(z, {})) < 1e-14);
}

TEST_CASE(
    "§7 (a): the loss rises by β min_{q∈Q} KL(q ‖ r∘q*), found numerically in three dimensions; mind the "
    "direction") {
  const double beta = 0.6;
  for (int64_t d : {2, 3})
    for (std::uint64_t seed : {1, 2, 3}) {
      const Pca rotated{
          normal({kP, d}, 7 + seed).mul(at::linspace(0.5, 2, d, at::kDouble)).mm(rotation(d, seed)), beta};
      const Tensor a = rotated.a(), mu = normal({d}, 30 + seed);  // r∘q* = N(μ, A_R⁻¹)
      Tensor m = normal({d}, 40 + seed).requires_grad_(true),
             logs = normal({d}, 50 + seed).requires_grad_(true);
      const double reached = minimise([&] { return kl(m, logs.exp().diag(), mu, a); }, {m, logs});
      CAPTURE(d, seed);
      CHECK(std::abs(beta * reached - gap(rotated)) < 1e-10 * (1 + gap(rotated)));
      CHECK(error(m.detach(), mu, mu.abs().max()) < 1e-5);  // the same mean as the full family's
      CHECK(error(logs.detach().exp(), a.diagonal().reciprocal()) < 1e-5);
      // The other direction, KL(r∘q* ‖ q), has its least at matched moments: the same in 2-D, another value in 3-D.
      const Tensor covariance = a.inverse();
      const double other = 0.5 * beta * (covariance.diagonal().log().sum() + at::logdet(a)).item<double>();
      if (d == 2) CHECK(std::abs(other - gap(rotated)) < 1e-12);
      else CHECK(std::abs(other - gap(rotated)) > 1e-3);
    }
}

TEST_CASE(
    "§7: Darmois–Skitovitch: mean-field stays mean-field under R iff Gaussian with equal variances where R "
    "mixes") {
  const int64_t d = 3;
  const Tensor r = rotation(d, 60);
  const auto off = [&](const Tensor& rot,
                       const Tensor& variances) {  // largest correlation after the rotation
    const Tensor sigma = rot.mul(variances).mm(rot.t()), root = sigma.diagonal().sqrt();
    return (sigma / at::outer(root, root) - at::eye(d, at::kDouble)).abs().max().item<double>();
  };
  CHECK(off(r, at::full({d}, 0.3, at::kDouble)) < 1e-14);          // R mixes all: isotropic
  CHECK(off(r, at::tensor({0.3, 0.3, 0.5}, at::kDouble)) > 0.01);  // else not
  const Tensor two = at::block_diag({rotation(2, 61), at::ones({1, 1}, at::kDouble)});
  CHECK(off(two, at::tensor({0.3, 0.3, 0.5}, at::kDouble)) <
        1e-14);  // equal within the group that R connects
  CHECK(off(two, at::tensor({0.3, 0.4, 0.4}, at::kDouble)) > 0.01);
  // Not Gaussian, though uncorrelated: the rotated coordinates' squares are correlated, cum(y₁,y₁,y₂,y₂) = 2κc²s².
  const double theta = 0.5, c = std::cos(theta), s = std::sin(theta);
  Assembly model(kP, 2);
  model.with(Kind::kPrior, "logistic");  // variance 1, excess kurtosis 6/5
  const int64_t n = 400000;
  const Tensor z = model->sample_prior(n, {}), y1 = c * z.select(1, 0) - s * z.select(1, 1),
               y2 = s * z.select(1, 0) + c * z.select(1, 1);
  const Tensor product = y1.square() * y2.square();
  const double cumulant =
      product.mean().item<double>() - 1 - 2 * std::pow((y1 * y2).mean().item<double>(), 2);
  CHECK(std::abs(cumulant - 2 * 1.2 * c * c * s * s) <
        5 * product.std().item<double>() / std::sqrt(static_cast<double>(n)) + 0.01);
  CHECK(cumulant > 0.2);
}

TEST_CASE(
    "§7 (b): q* outside Q: Gaussians of one fixed aspect; taking the optimum over Q_R out of Q raises the "
    "loss") {
  // Q: N(m, s² diag(2, 1)); A = diag(1, 4): the optimum over all s and R has its long axis where A is small, in Q.
  const Tensor a = at::tensor({1.0, 4.0}, at::kDouble).diag(), aspect = at::tensor({2.0, 1.0}, at::kDouble),
               mu = at::zeros({2}, at::kDouble);
  const auto turned = [](const Tensor& angle) {
    const Tensor c = angle.cos(), s = angle.sin();
    return at::stack({c, -s, s, c}).reshape({2, 2});
  };
  const auto best = [&](double theta) {  // over Q, the decoder rotated by θ
    const Tensor r = turned(at::full({}, theta, at::kDouble)), ar = r.t().mm(a).mm(r);
    Tensor m = normal({2}, 70).requires_grad_(true), logs = normal({1}, 71).requires_grad_(true);
    return minimise([&] { return kl(m, (logs.exp() * aspect).diag(), mu, ar); }, {m, logs});
  };
  const double in_q = best(0);
  CHECK(in_q > 0.01);  // q* is not in Q
  Tensor angle = at::full({}, 0.4, at::kDouble).requires_grad_(true),
         logs = at::zeros({}, at::kDouble).requires_grad_(true);
  const double completed = minimise(
      [&] {
        const Tensor r = turned(angle);
        return kl(mu, logs.exp() * r.mul(aspect).mm(r.t()), mu, a);
      },
      {angle, logs});
  CHECK(std::abs(completed - in_q) < 1e-10);
  CHECK(std::abs(std::sin(angle.item<double>())) < 1e-4);  // the optimum over Q_R lies in Q
  for (double theta : {0.05, 0.3, 1.0, 1.5}) {
    const Tensor r = turned(at::full({}, theta, at::kDouble)), ar = r.t().mm(a).mm(r);
    const double expected = std::log((ar.diagonal() * aspect).sum().item<double>() /
                                     (a.diagonal() * aspect).sum().item<double>());
    CHECK(std::abs(best(theta) - in_q - expected) < 1e-9);
    CHECK(expected > 0);
  }
}

TEST_CASE("§7: the block family's gap: 0 iff A_R is block-diagonal; rotations inside a block cost nothing") {
  const double beta = 0.6;
  const Tensor w = rotation(kP, 80).narrow(1, 0, 4) * at::tensor({2.0, 1.5, 1.0, 0.5}, at::kDouble);
  const Tensor full = grae({w, beta}, "full");
  const Tensor inside = at::block_diag({rotation(2, 81), rotation(2, 82)}), r = rotation(4, 83);
  const auto expected = [&](const Pca& pca) {
    const Tensor a = pca.a();
    return 0.5 * beta *
           (at::logdet(a.narrow(0, 0, 2).narrow(1, 0, 2)) + at::logdet(a.narrow(0, 2, 2).narrow(1, 2, 2)) -
            at::logdet(a));
  };
  CHECK(error(grae({w.mm(inside), beta}, "block", 2), full) < 1e-12);
  CHECK((grae({w.mm(inside), beta}, "diagonal") - full).min().item<double>() > 1e-3);
  const Pca mixed{w.mm(r), beta};
  CHECK(error(grae(mixed, "block", 2) - full, expected(mixed).expand({kB}), full.abs()) < 1e-12);
  CHECK(expected(mixed).item<double>() > 1e-3);
  CHECK(error(grae({mixed.w.mm(inside), beta}, "block", 2), grae(mixed, "block", 2)) < 1e-12);
}

TEST_CASE("§7: gap(R) ≥ 0 over 10,000 random A, and its closed forms agree") {
  const int64_t B = 10000;
  for (int64_t d : {2, 4}) {
    const Tensor j =
        normal({B, d + 1, d}, 90) * at::pow(10, variform::test::uniform({B, 1, 1}, 91, -1.5, 1.5));
    const Tensor a = at::eye(d, at::kDouble) + j.transpose(1, 2).bmm(j);
    const Tensor logs = a.diagonal(0, 1, 2).log().sum(-1), value = logs - at::logdet(a);
    CHECK((value / logs).min().item<double>() > -1e-10);
    if (d > 2) continue;
    // In 2-D, from A's eigenvalues and the angle of its axes.
    const Tensor e = at::linalg_eigvalsh(a), a1 = e.select(1, 1), a2 = e.select(1, 0);
    const Tensor twice =
        at::atan2(2 * a.select(1, 0).select(1, 1), a.select(1, 0).select(1, 0) - a.select(1, 1).select(1, 1));
    const Tensor expected = ((a1 - a2).square() * twice.sin().square() / (4 * a1 * a2)).log1p();
    CHECK(error(value, expected, logs) < 1e-10);
    CHECK(((value - 2 * ((a1 + a2) / (2 * (a1 * a2).sqrt())).log()) / logs).max().item<double>() < 1e-10);
  }
}

TEST_CASE(
    "§4: probabilistic PCA trained from random starts: (λ_i − βσ²)₊, L*, and what the families make unique") {
  const double beta = 0.6;
  const int64_t d = 3;
  const Tensor lambda = at::tensor({6.0, 3.0, 1.2, 0.4, 0.2, 0.1, 0.05}, at::kDouble),
               axes = rotation(kP, 11);
  const Tensor points = (axes * (lambda * static_cast<double>(kP)).sqrt()).t(),
               x = at::cat({points, -points});
  for (double variance : {1.0, 3.0})  // 3: two active latents
    for (const auto& [structure, seed] :
         {std::pair("full", 5), std::pair("diagonal", 6), std::pair("diagonal", 7)}) {
      const double effective = beta * variance;
      const Tensor active = (lambda.narrow(0, 0, d) - effective).clamp_min(0);
      Assembly model(kP, d);
      model.with(Kind::kLikelihood, "gaussian", {{"variance", num(variance)}}).with(Kind::kPrior, "gaussian");
      model.with(Kind::kFamily, "point")
          .with(Kind::kObjective, "grae", {{"beta", num(beta)}, {"structure", txt(structure)}});
      model.with(std::make_shared<SmallEncoder>(true, kP, kP, d, static_cast<std::uint64_t>(seed)));
      model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kLinear, d, kP, kP,
                                                PushforwardTier::kLayers, static_cast<std::uint64_t>(seed)));
      {
        const at::NoGradGuard guard;
        model.decoder().v_.copy_(at::eye(kP, at::kDouble));
      }
      const double reached =
          minimise([&] { return model.evaluate(x).loss.mean(); },
                   {model.encoder().c_, model.encoder().e_, model.decoder().w_, model.decoder().b_});
      // σ²L = L* of β_eff, plus the Gaussian's constant.
      const Tensor on = lambda.masked_select(lambda > effective)
                            .narrow(0, 0, std::min<int64_t>(d, (lambda > effective).sum().item<int64_t>()));
      const double rest = lambda.sum().item<double>() - on.sum().item<double>();
      const double best = 0.5 * rest + 0.5 * effective * (1 + (on / effective).log()).sum().item<double>();
      const double expected = best / variance + 0.5 * static_cast<double>(kP) * std::log(2 * M_PI * variance);
      CAPTURE(variance, structure, seed);
      CHECK(reached - expected < 1e-9 * expected);
      CHECK(reached - expected > -1e-11 * expected);
      const Tensor w = model.decoder().w_.detach(), g = w.t().mm(w);
      CHECK(error(at::linalg_eigvalsh(g).flip(0), active) < 1e-4);
      const Tensor off = g - g.diagonal().diag();
      if (structure == std::string("diagonal")) {  // orthogonal columns, so G_ii = λ_i − βσ², in some order
        CHECK(off.abs().max().item<double>() < 1e-3);
        CHECK(error(std::get<0>(g.diagonal().sort(-1, true)), active) < 1e-4);
        // Posterior variances βσ²/λ_i, and as many active latents as λ_i > βσ².
        const Tensor own = (1 + g.diagonal() / effective).reciprocal();
        CHECK(error(std::get<0>(own.sort()), (effective / lambda.narrow(0, 0, d)).clamp_max(1)) < 1e-4);
        CHECK((model->posterior(x, {})->location().square().mean(0) > 1e-4).sum().item<int64_t>() ==
              on.size(0));
      } else {
        CHECK(off.abs().max().item<double>() > 0.05);  // arbitrary
      }
    }
}

}  // namespace section7
