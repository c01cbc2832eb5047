// §7 of the theory (and the end of §4): probabilistic PCA, where everything is exact. x = Wz + σε, z ~ N(0, I).

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace {

using variform::Kind;
using variform::PushforwardTier;
using variform::Structure;
using variform::Tensor;
using variform::test::Assembly;
using variform::test::error;
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
  const auto posterior = model->posterior(data());
  CHECK(error(posterior->covariance()->dense(), pca.a().inverse().expand({kB, 3, 3})) < 1e-12);
  // log p(x) = log p(x|z) + log p(z) − log q(z|x) for every z.
  const Tensor c = kVariance * at::eye(kP, at::kDouble) + pca.w.mm(pca.w.t()),
               evidence = -negative_log_normal(data(), c);
  const variform::Draw draw = posterior->rsample(5, model->rng);
  const Tensor bound =
      -model->nll(data(), model->decode(draw.z)) + model->log_prior(draw.z) - posterior->log_prob(draw);
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
    const auto posterior = model->posterior(data());
    const auto [g, h] = model->latent_hessian(data(), posterior->location(), model->unit_tangents(kB));
    const variform::Draw draw = posterior->rsample(1, model->rng);
    const Tensor level = model->nll(data(), g) + 0.5 * posterior->covariance()->trace(h) +
                         pca.beta * model->kl(*posterior, draw);
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
    const Tensor variances = model->posterior(x)->location().square().mean(0);
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
