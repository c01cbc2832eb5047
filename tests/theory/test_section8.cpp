// §8 of the theory: the local geometry of the decoder, and what its measures are worth. (The functions that `evaluate`
// uses are tested beside it; here stand the statements themselves.)

#include "catch.h"
#include "models.h"

#include <variform/covariance.h>

#include <cmath>

namespace section8 {
namespace {

using variform::curvature_penalty;
using variform::Structure;
using variform::Tensor;
using variform::test::error;
using variform::test::normal;
using variform::test::rotation;
using variform::test::uniform;

// B random Jacobians [B, P, d] of sizes 10^±1.
Tensor random_j(int64_t B, int64_t P, int64_t d, std::uint64_t seed) {
  return normal({B, P, d}, seed) * at::pow(10, uniform({B, 1, 1}, seed + 1, -1, 1)) / std::sqrt(P);
}
Tensor gram(const Tensor& j) { return j.transpose(-2, -1).matmul(j); }

// Ĝ_ij = |G_ij|/√(G_ii G_jj), and its off-diagonal mass Σ_{i≠j} Ĝ²/ΣĜ².
Tensor normalised(const Tensor& g) {
  const Tensor root = g.diagonal(0, -2, -1).sqrt();
  return g.abs() / (root.unsqueeze(-1) * root.unsqueeze(-2));
}
Tensor mass(const Tensor& g) {
  const Tensor square = normalised(g).square(), total = square.sum({-2, -1});
  return (total - square.diagonal(0, -2, -1).sum(-1)) / total;
}

// Diagonal − full, the pressure on H at β.
Tensor pressure(const Tensor& h, const Tensor& beta) {
  const int64_t d = h.size(1);
  return curvature_penalty(Structure::diagonal(d), h, beta) - curvature_penalty(Structure::full(d), h, beta);
}
// ½[Σ log(1 + H_ii/β) − log det(I + H/β)]
Tensor contrast(const Tensor& h, double beta) {
  const Tensor m = h / beta;
  return 0.5 * (m.diagonal(0, 1, 2).log1p().sum(-1) - at::logdet(at::eye(h.size(1), h.options()) + m));
}

}  // namespace

TEST_CASE(
    "§8: the normalised metric and its off-diagonal mass: 0 iff G is diagonal, blind to the latents' scales") {
  for (int64_t d : {2, 3, 6}) {
    const Tensor g = gram(random_j(200, 9, d, 1)), scale = uniform({d}, 2, 0.01, 100), share = mass(g);
    CHECK((normalised(g) - 1).max().item<double>() < 1e-12);  // Cauchy–Schwarz
    CHECK(error(normalised(g).diagonal(0, 1, 2), at::ones({200, d}, at::kDouble)) < 1e-14);
    CHECK(share.min().item<double>() > 0);
    const double dd = static_cast<double>(d);
    CHECK(share.max().item<double>() <= 1 - 1 / dd);  // all latents the same: the most
    CHECK(error(mass(g * scale.unsqueeze(0) * scale.unsqueeze(1)), share) < 1e-12);
    CHECK(mass(g.diagonal(0, 1, 2).diag_embed()).abs().max().item<double>() < 1e-15);
    CHECK(error(mass(at::ones({1, d, d}, at::kDouble)), at::full({1}, 1 - 1 / dd, at::kDouble)) < 1e-14);
  }
  // Per sample and then the mean: averaging G first lets signs cancel.
  const Tensor plus = at::tensor({1.0, 0.9, 0.9, 1.0}, at::kDouble).reshape({1, 2, 2}),
               minus = at::tensor({1.0, -0.9, -0.9, 1.0}, at::kDouble).reshape({1, 2, 2});
  CHECK(mass(at::cat({plus, minus})).mean().item<double>() > 0.4);
  CHECK(mass((plus + minus) / 2).item<double>() == 0);
  // H's mass is G's if H_ℓ ∝ I, and not in general.
  const Tensor j = random_j(50, 7, 3, 3), weight = uniform({50, 7, 1}, 4, 0.1, 2);
  CHECK(error(mass(5 * gram(j)), mass(gram(j))) < 1e-14);
  CHECK((mass(gram(weight.sqrt() * j)) - mass(gram(j))).abs().max().item<double>() > 0.01);
}

TEST_CASE("§8: singular values, log-volume and condition number are one decomposition") {
  const Tensor j = random_j(100, 8, 4, 5), s = at::linalg_svdvals(j), g = gram(j);
  CHECK(error(0.5 * at::logdet(g), s.log().sum(-1), s.log().abs().sum(-1)) < 1e-10);
  const Tensor eigenvalues = at::linalg_eigvalsh(g);
  CHECK(error(eigenvalues.flip(-1), s.square(), s.square().amax(-1, true)) < 1e-12);
  CHECK(error((eigenvalues.select(1, 3) / eigenvalues.select(1, 0)).sqrt(), s.select(1, 0) / s.select(1, 3)) <
        1e-8);
  const Tensor r = rotation(4, 6);  // none of them sees a rotation of the latents
  CHECK(error(at::linalg_svdvals(j.matmul(r)), s) < 1e-12);
}

TEST_CASE(
    "§8: contrast = gap/β ≥ 0 in 10,000 random cases, finite with collapsed latents, 0 iff H is diagonal") {
  for (int64_t d : {2, 3, 5, 8}) {
    const Tensor h = gram(random_j(2500, d + 1, d, static_cast<std::uint64_t>(10 + d)));
    for (double beta : {1e-3, 1.0, 1e3}) {
      const Tensor value = contrast(h, beta), b = at::full({}, beta, at::kDouble);
      CHECK(value.min().item<double>() > -1e-10);
      const Tensor scale = (h.diagonal(0, 1, 2) / beta).log1p().sum(-1).clamp_min(1);
      CHECK(error(value, pressure(h, b) / beta, scale) < 1e-10);
      CHECK(contrast(h.diagonal(0, 1, 2).diag_embed(), beta).abs().max().item<double>() < 1e-12);
    }
    Tensor collapsed = h.clone();
    collapsed.select(1, 0).zero_();
    collapsed.select(2, 0).zero_();
    CHECK(at::isfinite(contrast(collapsed, 0.1)).all().item<bool>());
    // Among active latents, and β small: Σ log‖J_i‖ − ½ log det G.
    const Tensor classical = 0.5 * (h.diagonal(0, 1, 2).log().sum(-1) - at::logdet(h));
    const Tensor small = at::linalg_eigvalsh(h).select(1, 0);
    const Tensor off = (contrast(h, 1e-9) - classical).abs();
    CHECK(((off - 1e-10) * small).max().item<double>() < static_cast<double>(d) * 1e-9);
    CHECK_FALSE(at::isfinite(0.5 * (collapsed.diagonal(0, 1, 2).log().sum(-1) - at::logdet(collapsed)))
                    .any()
                    .item<bool>());
  }
}

TEST_CASE("§8: the pressure's limits in β: (β/2)[Σ log H_ii − log det H], and Σ_{i≠j} H²_ij/(4β)") {
  const int64_t B = 200, d = 4;
  const Tensor h = gram(random_j(B, 9, d, 20)), diagonal = h.diagonal(0, 1, 2);
  const Tensor off = h.square().sum({1, 2}) - diagonal.square().sum(-1),
               smallest = at::linalg_eigvalsh(h).select(1, 0);
  for (double b : {1e-4, 1e-6}) {
    const Tensor expected = 0.5 * b * (diagonal.log().sum(-1) - at::logdet(h));
    const Tensor next = 0.5 * b * b * static_cast<double>(d) / smallest;
    CHECK((((pressure(h, at::full({}, b, at::kDouble)) - expected).abs() - 1e-10 * b) / next)
              .max()
              .item<double>() < 1);
  }
  const Tensor trace = diagonal.sum(-1);
  for (double b : {1e4, 1e6}) {
    const Tensor expected = off / (4 * b), next = trace.pow(3) / (3 * b * b);
    CHECK((((pressure(h, at::full({}, b, at::kDouble)) - expected).abs() - 1e-14 * trace) / next)
              .max()
              .item<double>() < 1);
  }
}

TEST_CASE(
    "§8: for fixed H the pressure is unimodal in β: it rises once and falls once, in 10,000 random cases") {
  for (int64_t d : {2, 3, 4, 6}) {
    const int64_t B = 2500;
    const Tensor h = gram(random_j(B, d + 1, d, static_cast<std::uint64_t>(30 + d)));
    const int64_t n = 141;
    const Tensor betas = at::pow(10, at::linspace(-8, 6, n, at::kDouble));
    std::vector<Tensor> rows;
    for (int64_t i = 0; i < n; ++i) rows.push_back(pressure(h, betas[i]));
    const Tensor values = at::stack(rows);  // [n, B]
    const Tensor up = (values.slice(0, 1) > values.slice(0, 0, -1)).to(at::kLong);
    const Tensor turns = (up.slice(0, 1) - up.slice(0, 0, -1)).abs().sum(0);
    CAPTURE(d);
    CHECK(up[0].min().item<int64_t>() == 1);
    CHECK(up[-1].max().item<int64_t>() == 0);
    CHECK((turns == 1).all().item<bool>());
  }
}

TEST_CASE(
    "§8: MCC of two latents: a random rotation scores 0.90 ± 0.09; its angle folded has mean 22.5°, sd 13°") {
  const int64_t n = 4000, K = 4000;
  const Tensor z = normal({2, n}, 40);
  const Tensor theta = uniform({K}, 41, 0, 2 * M_PI);
  const Tensor c = theta.cos(), s = theta.sin();
  const Tensor turned =
      at::stack({at::outer(c, z[0]) - at::outer(s, z[1]), at::outer(s, z[0]) + at::outer(c, z[1])});
  const auto correlation = [&](const Tensor& a, const Tensor& b) {  // [K, n] or [n] with [K, n] -> |ρ| [K]
    const Tensor x = a - a.mean(-1, true), y = b - b.mean(-1, true);
    return ((x * y).mean(-1) / (x.square().mean(-1) * y.square().mean(-1)).sqrt()).abs();
  };
  const Tensor same = 0.5 * (correlation(z[0], turned[0]) + correlation(z[1], turned[1])),
               swapped = 0.5 * (correlation(z[0], turned[1]) + correlation(z[1], turned[0]));
  const Tensor mcc = at::maximum(same, swapped);  // the better matching
  CHECK(std::abs(mcc.mean().item<double>() - 0.90) < 0.01);
  CHECK(std::abs(mcc.std().item<double>() - 0.09) < 0.01);
  const Tensor degrees = theta * 180 / M_PI, modulo = degrees - 90 * (degrees / 90).floor();
  const Tensor folded = at::minimum(modulo, 90 - modulo);
  CHECK(folded.max().item<double>() <= 45);
  CHECK(std::abs(folded.mean().item<double>() - 22.5) < 0.7);
  CHECK(std::abs(folded.std().item<double>() - 13) < 0.5);
  // Exactly: max(|cos θ|, |sin θ|) has the mean (4/π) sin 45° and the second moment ½ + 1/π.
  const double mean = 4 / M_PI * std::sin(M_PI / 4);
  CHECK(std::abs(mean - 0.90) < 0.005);
  CHECK(std::abs(std::sqrt(0.5 + 1 / M_PI - mean * mean) - 0.09) < 0.005);
}

TEST_CASE("§8: active latents by variance depend on the coordinates, eigenvalues of E[H] do not") {
  const int64_t d = 4, B = 500;
  const Tensor scale = at::tensor({2.0, 1.0, 1e-3, 1e-3}, at::kDouble), r = rotation(d, 50);
  const Tensor z = normal({B, d}, 51) * scale, j = random_j(B, 9, d, 52) * scale;  // two latents are in use
  const auto active = [](const Tensor& latents) { return (latents.var(0) > 0.01).sum().item<int64_t>(); };
  const auto eigen = [](const Tensor& jacobians) { return at::linalg_eigvalsh(gram(jacobians).mean(0)); };
  CHECK(active(z) == 2);
  CHECK(active(z.mm(r)) == 4);
  CHECK(error(eigen(j.matmul(r)), eigen(j)) < 1e-10);
  CHECK((eigen(j) > 1e-3).sum().item<int64_t>() == 2);
}

}  // namespace section8
