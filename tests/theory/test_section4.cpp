// §4 of the theory: the optimal covariance of every structure, and what is left when it is put in.

#include "catch.h"
#include "models.h"

#include <variform/covariance.h>

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace section4 {
namespace {

using variform::Covariance;
using variform::curvature_penalty;
using variform::Kind;
using variform::optimal_covariance;
using variform::Shape;
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
using variform::test::uniform;
using variform::test::Values;
using variform::testing::ContainsSubstring;

// B random H = JᵀDJ of rank min(P, d), of sizes 10^±spread.
Tensor random_h(int64_t B, int64_t d, int64_t P, std::uint64_t seed, double spread = 1) {
  const Tensor scale = at::pow(10, uniform({B, 1, 1}, seed + 1, -spread, spread));
  const Tensor j = normal({B, P, d}, seed) * uniform({B, P, 1}, seed + 2, 0.1, 1.5);
  return scale * j.transpose(1, 2).bmm(j) / static_cast<double>(P);
}

// One β a case, 10^(low…high).
Tensor random_beta(int64_t B, std::uint64_t seed, double low = -3, double high = 3) {
  return at::pow(10, uniform({B}, seed, low, high));
}

Tensor random_precision(int64_t d, std::uint64_t seed) {
  const Tensor r = rotation(d, seed);
  return r.mul(uniform({d}, seed + 1, 0.3, 4.0)).mm(r.t());
}

std::vector<Structure> structures(int64_t d) {
  std::vector<Structure> all{Structure::full(d), Structure::diagonal(d), Structure::isotropic(d)};
  for (int64_t size : {2, 3})
    if (size < d) all.push_back(Structure::equal_blocks(d, size));
  if (d >= 4) all.push_back(Structure{{1, d - 3, 2}});
  if (d >= 5) all.push_back(Structure{{2, 2, d - 4}});
  for (int64_t rank : {int64_t{0}, int64_t{1}, d / 2, d - 1})
    if (rank < d) all.push_back(Structure::low_rank(d, rank));
  return all;
}

// ½ tr(HΣ) + β(KL(N(h, Σ) ‖ N(m, Q⁻¹)) − ½(h−m)ᵀQ(h−m)), and its largest term.
struct Level {
  Tensor value, scale;
};
Level level(const Tensor& trace_h, const Tensor& trace_q, const Tensor& log_det, const Tensor& beta,
            const Tensor& q) {
  const double d = static_cast<double>(q.size(0)), log_det_q = at::logdet(q).item<double>();
  const std::vector<Tensor> terms{0.5 * trace_h, 0.5 * beta * trace_q, -0.5 * beta * d, -0.5 * beta * log_det,
                                  -0.5 * beta * log_det_q};
  Tensor value = terms[0], scale = terms[0].abs();
  for (size_t i = 1; i < terms.size(); ++i) {
    value = value + terms[i];
    scale = at::maximum(scale, terms[i].abs());
  }
  return {value, scale};
}
Level level(const Covariance& sigma, const Tensor& h, const Tensor& beta, const Tensor& q) {
  return level(sigma.trace(h), sigma.trace(q.expand_as(h)), sigma.log_det(), beta, q);
}
Level level(const Tensor& sigma, const Tensor& h, const Tensor& beta, const Tensor& q) {
  return level((sigma * h).sum({1, 2}), (sigma * q).sum({1, 2}), at::logdet(sigma), beta, q);
}

double at_most(const Tensor& small, const Tensor& large,
               const Tensor& scale) {  // how far `small` exceeds `large`
  return ((small - large) / scale).max().item<double>();
}

}  // namespace

TEST_CASE("§4: the penalty is ½ tr(HΣ*) + β(KL − ½‖h‖²), for every structure") {
  for (int64_t d : {1, 2, 3, 5, 8, 16, 40})
    for (int64_t P : {int64_t{2}, d, 3 * d}) {
      const int64_t B = 50;
      const std::uint64_t seed = static_cast<std::uint64_t>(100 * d + P);
      const Tensor h = random_h(B, d, P, seed), beta = random_beta(B, seed + 3);
      for (const Structure& structure : structures(d)) {
        CAPTURE(d, P, structure.name());
        const Tensor one = at::eye(d, h.options()), q = random_precision(d, seed + 4);
        const Level standard = level(optimal_covariance(structure, h, beta), h, beta, one);
        CHECK(error(curvature_penalty(structure, h, beta), standard.value, standard.scale) < 1e-10);
        CHECK(error(curvature_penalty(structure, h, beta, one), standard.value, standard.scale) < 1e-10);
        const Level general = level(optimal_covariance(structure, h, beta, q), h, beta, q);
        CHECK(error(curvature_penalty(structure, h, beta, q), general.value, general.scale) < 1e-10);
        const Tensor narrow = q.diagonal().clone();  // the same Q in two forms
        const Level along = level(optimal_covariance(structure, h, beta, narrow), h, beta, narrow.diag());
        CHECK(error(curvature_penalty(structure, h, beta, narrow), along.value, along.scale) < 1e-10);
        CHECK(error(curvature_penalty(structure, h, beta, narrow.diag()), along.value, along.scale) < 1e-10);
        const Tensor single = beta[0];  // one β for all data
        const Level shared = level(optimal_covariance(structure, h, single, q), h, single, q);
        CHECK(error(curvature_penalty(structure, h, single, q), shared.value, shared.scale) < 1e-10);
      }
    }
}

TEST_CASE("§4: optimal covariances have the stated form") {
  const int64_t B = 20, d = 6;
  const Tensor h = random_h(B, d, 9, 1), beta = random_beta(B, 2, -1, 1), q = random_precision(d, 3);
  const Tensor a = q + h / beta.reshape({-1, 1, 1});
  CHECK(error(optimal_covariance(Structure::full(d), h, beta, q).dense(), a.inverse()) < 1e-12);
  CHECK(error(optimal_covariance(Structure::diagonal(d), h, beta, q).dense(),
              a.diagonal(0, 1, 2).reciprocal().diag_embed()) < 1e-14);
  CHECK(error(optimal_covariance(Structure::isotropic(d), h, beta, q).variances(),
              (d / a.diagonal(0, 1, 2).sum(-1, true)).expand({B, d})) < 1e-14);
  const Tensor blocks = optimal_covariance(Structure{{2, 1, 3}}, h, beta, q).dense();
  int64_t start = 0;
  Tensor expected = at::zeros_like(a);
  for (int64_t size : {2, 1, 3}) {
    const auto block = [&](const Tensor& m) { return m.narrow(1, start, size).narrow(2, start, size); };
    block(expected).copy_(block(a).inverse());
    start += size;
  }
  CHECK(error(blocks, expected) < 1e-12);
  const auto [values, vectors] = at::linalg_eigh(a);
  const Tensor low = optimal_covariance(Structure::low_rank(d, 2), h, beta, q).dense();
  const Tensor inverse = at::cat(
      {values.narrow(1, 0, 2).reciprocal(), values.narrow(1, 2, 4).mean(1, true).reciprocal().expand({B, 4})},
      1);
  CHECK(error(low, vectors.mul(inverse.unsqueeze(1)).bmm(vectors.transpose(1, 2))) < 1e-12);
}

TEST_CASE("§4: the third column, row by row as it is written, with and without a prior precision") {
  for (int64_t d : {1, 2, 5, 9})
    for (bool standard : {true, false}) {
      const int64_t B = 40;
      const std::uint64_t seed = static_cast<std::uint64_t>(300 + d);
      const Tensor h = random_h(B, d, d + 1, seed), beta = random_beta(B, seed + 1),
                   b = beta.reshape({-1, 1, 1});
      const Tensor eye = at::eye(d, h.options()), q = standard ? eye : random_precision(d, seed + 2);
      const Tensor a = q + h / b, diagonal = a.diagonal(0, 1, 2);
      const double dd = static_cast<double>(d);
      const Tensor log_det_prior = -at::logdet(q);  // log det Λ
      CAPTURE(d, standard);
      const auto check = [&](const Structure& structure, const Tensor& log_det) {
        CAPTURE(structure.name());
        const Tensor precision = standard ? Tensor() : q;
        const Tensor found = curvature_penalty(structure, h, beta, precision);
        // A sum of logarithms that nearly cancels is the reference's own error: its largest term counts.
        const Tensor scale = 0.5 * beta * (log_det.abs() + log_det_prior.abs() + 1);
        CHECK(error(found, 0.5 * beta * (log_det_prior + log_det), scale) < 1e-10);
      };
      const Tensor root = at::linalg_cholesky(q.inverse());  // Λ = LLᵀ
      check(Structure::full(d), at::logdet(eye + root.t().matmul(h).matmul(root) / b) - log_det_prior);
      check(Structure::diagonal(d), diagonal.log().sum(-1));
      check(Structure::isotropic(d), dd * (diagonal.sum(-1) / dd).log());
      if (d > 2)
        check(Structure{{2, d - 2}}, at::logdet(a.narrow(1, 0, 2).narrow(2, 0, 2)) +
                                         at::logdet(a.narrow(1, 2, d - 2).narrow(2, 2, d - 2)));
      const Tensor values = at::linalg_eigvalsh(a);  // ascending
      for (int64_t rank = 0; rank < d; ++rank)
        check(Structure::low_rank(d, rank),
              values.narrow(1, 0, rank).log().sum(-1) +
                  (dd - static_cast<double>(rank)) * values.narrow(1, rank, d - rank).mean(1).log());
    }
}

TEST_CASE("§4: the fixed row is a Jacobian penalty: ½ tr(HΣ₀) + (β/2)(tr Σ₀ − d − log det Σ₀)") {
  for (int64_t d : {1, 4})
    for (double b : {1e-3, 0.7, 1e3})
      for (double s : {0.1, 1.0, 3.0}) {
        const int64_t P = 6, B = 5;
        Assembly model(P, d);
        model.with(Kind::kLikelihood, "bernoulli").with(Kind::kPrior, "gaussian");
        model.with(Kind::kFamily, "fixed", {{"deviation", num(s)}});
        model.with(std::make_shared<SmallEncoder>(false, P, 7, d, 11));
        model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, d, 8, P,
                                                  variform::PushforwardTier::kLayers, 12));
        model.with(Kind::kObjective, "taylor", {{"beta", num(b)}});
        const at::NoGradGuard guard;
        const Tensor x = uniform({B, P}, 13), m = model->posterior(x, {})->location();
        const variform::Linearization local = model->latent_hessian(x, m, model->unit_tangents(B), {});
        const double dd = static_cast<double>(d), constant = dd * (s * s - 1 - 2 * std::log(s));
        const Tensor fixed = 0.5 * s * s * local.hessian.diagonal(0, 1, 2).sum(-1) + 0.5 * b * constant;
        const Tensor loss = model.evaluate(x).loss, nll = model->nll(x, local.output, {});
        CHECK(error(loss, nll + 0.5 * b * m.square().sum(-1) + fixed, loss.abs()) < 1e-10);
        // Never below an optimised row that contains it, and equal to ½ tr H for Σ₀ = I.
        const Tensor beta = at::full({}, b, at::kDouble);
        CHECK(at_most(curvature_penalty(Structure::isotropic(d), local.hessian, beta), fixed, fixed.abs()) <
              1e-12);
        if (s == 1.0) CHECK(error(fixed, 0.5 * local.hessian.diagonal(0, 1, 2).sum(-1)) < 1e-12);
      }
}

TEST_CASE("§4: where I + H/β is not positive definite, nothing is optimal: unbounded below") {
  const int64_t d = 4;
  const Tensor r = rotation(d, 80), beta = at::full({}, 0.5, at::kDouble), eye = at::eye(d, at::kDouble);
  const Tensor h = r.mul(at::tensor({-0.9, 0.3, 1.0, 2.0}, at::kDouble)).mm(r.t()).unsqueeze(0);
  double before = 0;
  for (double far : {1e1, 1e3, 1e5, 1e7}) {  // ever wider along the eigenvector below −β
    const Tensor u = r.narrow(1, 0, 1), sigma = (eye + far * u.mm(u.t())).unsqueeze(0);
    const double value = level(sigma, h, beta, eye).value.item<double>();
    CHECK(value < before - 1);
    before = value;
  }
  CHECK(curvature_penalty(Structure::full(d), h, beta).isnan().all().item<bool>());
  // At −0.4 > −β all is well, though H is indefinite.
  const Tensor fine = h + 0.5 * r.narrow(1, 0, 1).mm(r.narrow(1, 0, 1).t());
  CHECK(at::isfinite(curvature_penalty(Structure::full(d), fine, beta)).all().item<bool>());
}

namespace {

// Covariances [1, d, d] of a structure from numbers without constraints.
class Unconstrained {
 public:
  Unconstrained(const Structure& structure, std::uint64_t seed) : structure_(structure) {
    const int64_t d = structure.dimension();
    const auto add = [&](const Shape& shape) {
      tensors.push_back(normal(shape, seed + tensors.size()).requires_grad_(true));
    };
    if (structure.rank >= 0) {
      add({1});
      if (structure.rank > 0) add({d, structure.rank});
    } else if (structure.tied) {
      add({1});
    } else {
      for (int64_t size : structure.blocks) add({size, size});
    }
  }
  Tensor sigma() const {
    const int64_t d = structure_.dimension();
    const Tensor eye = at::eye(d, at::kDouble);
    if (structure_.rank >= 0) {  // s²I + FFᵀ
      const Tensor base = tensors[0].exp() * eye;
      return (structure_.rank > 0 ? base + tensors[1].mm(tensors[1].t()) : base).unsqueeze(0);
    }
    if (structure_.tied) return (tensors[0].exp() * eye).unsqueeze(0);
    std::vector<Tensor> blocks;
    for (const Tensor& tensor : tensors) {
      const Tensor factor = tensor.tril(-1) + tensor.diagonal().exp().diag();
      blocks.push_back(factor.mm(factor.t()));
    }
    return at::block_diag(blocks).unsqueeze(0);
  }
  // log det Σ [1], from the factors where there are some: an optimizer also goes where Σ is singular to rounding.
  Tensor log_det() const {
    if (structure_.rank > 0) return at::logdet(sigma());
    if (structure_.rank == 0 || structure_.tied)
      return static_cast<double>(structure_.dimension()) * tensors[0];
    Tensor sum = at::zeros({1}, at::kDouble);
    for (const Tensor& tensor : tensors) sum = sum + 2 * tensor.diagonal().sum();
    return sum;
  }
  std::vector<Tensor> tensors;

 private:
  Structure structure_;
};

}  // namespace

TEST_CASE(
    "§4: numerical minimisation from random starts reaches the optimum and nothing lower, in every structure") {
  for (int64_t d : {1, 2, 4, 5})
    for (bool standard : {true, false})
      for (const Structure& structure : structures(d))
        for (std::uint64_t start : {1, 2}) {
          const std::uint64_t seed = 100 * start + static_cast<std::uint64_t>(d);
          const Tensor h = random_h(1, d, d + 1, seed), beta = random_beta(1, seed + 1, -1.5, 1.5);
          const Tensor q = standard ? at::eye(d, at::kDouble) : random_precision(d, seed + 2);
          const Unconstrained free(structure, seed + 3);
          CAPTURE(d, structure.name(), standard, start);
          const double reached =
              minimise(
                  [&] {
                    const Tensor sigma = free.sigma();
                    return level((sigma * h).sum({1, 2}), (sigma * q).sum({1, 2}), free.log_det(), beta, q)
                               .value.sum() /
                           beta.sum();
                  },
                  free.tensors) *
              beta.item<double>();
          const Level found = level(free.sigma().detach(), h, beta, q);
          const double best = curvature_penalty(structure, h, beta, q).item<double>(),
                       scale = found.scale.item<double>();
          CHECK(reached - best < 1e-9 * scale);
          CHECK(reached - best > -1e-10 * scale);
          CHECK(error(free.sigma().detach(), optimal_covariance(structure, h, beta, q).dense()) < 1e-3);
        }
}

TEST_CASE("§4: no covariance of the structure does better") {
  const int64_t B = 200;
  for (int64_t d : {2, 5, 9})
    for (double step : {1e-3, 0.1, 1.0}) {
      const std::uint64_t seed = static_cast<std::uint64_t>(d) + static_cast<std::uint64_t>(1000 * step);
      const Tensor h = random_h(B, d, d, seed), beta = random_beta(B, seed + 1, -2, 2),
                   q = random_precision(d, seed + 2);
      for (const Structure& structure : structures(d)) {
        CAPTURE(d, step, structure.name());
        const Tensor best = curvature_penalty(structure, h, beta, q);
        const Tensor sigma = optimal_covariance(structure, h, beta, q).dense();
        const Tensor eye = at::eye(d, h.options());
        Tensor moved;
        if (structure.rank >= 0) {
          // Other directions, variances ≥ s² ("low rank plus s²I"), and another s².
          const Tensor near =
              std::get<1>(at::linalg_eigh(-sigma)).narrow(2, 0, structure.rank);  // largest first
          const Tensor u = std::get<0>(at::linalg_qr(near + step * normal(near.sizes().vec(), seed + 3)));
          const Tensor s2 = at::linalg_eigvalsh(sigma).select(1, 0) * (step * normal({B}, seed + 4)).exp();
          const Tensor along = near.mul(sigma.bmm(near)).sum(1);
          const Tensor extra =
              (along - s2.unsqueeze(1)).clamp_min(0) * (step * normal(along.sizes().vec(), seed + 5)).exp();
          moved = s2.reshape({-1, 1, 1}) * eye + u.mul(extra.unsqueeze(1)).bmm(u.transpose(1, 2));
        } else if (structure.tied) {
          moved = sigma * (step * normal({B, 1, 1}, seed + 6)).exp();
        } else {
          Tensor mask = at::zeros({d, d}, h.options());
          int64_t start = 0;
          for (int64_t size : structure.blocks) {
            mask.narrow(0, start, size).narrow(1, start, size).fill_(1);
            start += size;
          }
          const Tensor factor =
              at::linalg_cholesky(sigma).bmm(eye + step * mask * normal({B, d, d}, seed + 7));
          moved = factor.bmm(factor.transpose(1, 2));
        }
        const Level found = level(moved, h, beta, q);
        CHECK(at_most(best, found.value, found.scale) < 1e-11);
        if (step == 1.0) CHECK((found.value - best).min().item<double>() > 0);
      }
    }
}

TEST_CASE("§4: full ≤ block ≤ diagonal ≤ isotropic and full ≤ low rank, in 10,000 random cases") {
  for (int64_t d : {2, 4, 6, 12}) {
    const int64_t B = 2500;
    const std::uint64_t seed = static_cast<std::uint64_t>(d);
    const Tensor h = random_h(B, d, d + 1, seed, 3), beta = random_beta(B, seed + 1);
    const auto penalty = [&](const Structure& structure) { return curvature_penalty(structure, h, beta); };
    const Tensor full = penalty(Structure::full(d)), block = penalty(Structure::equal_blocks(d, (d + 1) / 2));
    const Tensor diagonal = penalty(Structure::diagonal(d)), isotropic = penalty(Structure::isotropic(d));
    const Tensor scale = at::maximum(isotropic, beta);
    CHECK(full.min().item<double>() > 0);
    CHECK(at_most(full, block, scale) < 1e-13);
    CHECK(at_most(block, diagonal, scale) < 1e-13);
    CHECK(at_most(diagonal, isotropic, scale) < 1e-13);
    Tensor below = full;
    for (int64_t rank = d - 1; rank >= 0; --rank) {  // fewer directions: never better; and full ≤ all of them
      const Tensor low = penalty(Structure::low_rank(d, rank));
      CHECK(at_most(below, low, scale) < 1e-13);
      below = low;
    }
    CHECK(error(below, isotropic, scale) < 1e-13);                              // rank 0
    CHECK(error(penalty(Structure::low_rank(d, d - 1)), full, scale) < 1e-13);  // nothing is averaged
  }
}

TEST_CASE("§4: the orderings' equalities, and that they are strict otherwise") {
  const int64_t B = 100, d = 6;
  const Tensor h = random_h(B, d, 9, 4), beta = random_beta(B, 5, -1, 1);
  const auto penalty = [&](const Structure& s, const Tensor& m) { return curvature_penalty(s, m, beta); };
  const Tensor mask = at::block_diag({at::ones({3, 3}, h.options()), at::ones({3, 3}, h.options())});
  const Structure full = Structure::full(d), block = Structure::equal_blocks(d, 3),
                  diagonal = Structure::diagonal(d);
  const Tensor only_diagonal = h.diagonal(0, 1, 2).diag_embed(), only_blocks = h * mask;
  CHECK(error(penalty(full, only_diagonal), penalty(diagonal, only_diagonal)) < 1e-14);
  CHECK(error(penalty(full, only_blocks), penalty(block, only_blocks)) < 1e-14);
  const Tensor r = rotation(d, 6),
               equal = h / h.diagonal(0, 1, 2).sqrt().unsqueeze(1) / h.diagonal(0, 1, 2).sqrt().unsqueeze(2);
  CHECK(error(penalty(diagonal, equal), penalty(Structure::isotropic(d), equal)) < 1e-14);
  CHECK((penalty(block, h) - penalty(full, h)).min().item<double>() > 1e-6);
  CHECK((penalty(diagonal, only_blocks) - penalty(block, only_blocks)).min().item<double>() > 1e-6);
  CHECK((penalty(Structure::isotropic(d), only_diagonal) - penalty(diagonal, only_diagonal))
            .min()
            .item<double>() > 1e-6);
  // The full family's penalty does not see a rotation of the latents.
  CHECK(error(penalty(full, r.t().matmul(h).matmul(r)), penalty(full, h)) < 1e-13);
}

TEST_CASE("§4: a prior precision is a change of coordinates") {
  const int64_t B = 30, d = 5;
  const Tensor h = random_h(B, d, 8, 7), beta = random_beta(B, 8, -1, 1), scale = uniform({d}, 9, 0.5, 2);
  const Tensor scaled =
      h * scale.unsqueeze(0) * scale.unsqueeze(1);  // H in coordinates where the prior is N(0, I)
  const Tensor q = scale.pow(-2).diag();
  for (const Structure& structure : {Structure::full(d), Structure::diagonal(d), Structure{{2, 3}}})
    CHECK(error(curvature_penalty(structure, h, beta, q), curvature_penalty(structure, scaled, beta)) <
          1e-13);
  const Tensor general = random_precision(d, 10), l = at::linalg_cholesky(general.inverse());
  CHECK(error(curvature_penalty(Structure::full(d), h, beta, general),
              curvature_penalty(Structure::full(d), l.t().matmul(h).matmul(l), beta)) < 1e-12);
  // A non-diagonal Λ makes the diagonal family push H + βQ to be diagonal: no cost exactly there.
  const Tensor flat = (3.0 * at::eye(d, h.options()) - general + general.diagonal().diag()).unsqueeze(0);
  const Tensor one = at::ones({}, h.options());
  CHECK(error(curvature_penalty(Structure::diagonal(d), flat, one, general),
              curvature_penalty(Structure::full(d), flat, one, general)) < 1e-12);
}

TEST_CASE(
    "§4: orderings between random block partitions, and low rank = full iff the averaged eigenvalues are "
    "equal") {
  const int64_t B = 2000, d = 7;
  const Tensor h = random_h(B, d, d + 2, 90, 2), beta = random_beta(B, 91), q = random_precision(d, 92);
  const std::vector<std::vector<int64_t>> finer{{7},          {4, 3},          {4, 1, 2},
                                                {2, 2, 1, 2}, {2, 2, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1}};
  for (const Tensor& precision : {Tensor(), q}) {  // a partition of a partition's blocks never does better
    Tensor before = curvature_penalty(Structure{finer[0]}, h, beta, precision);
    const Tensor scale = at::maximum(curvature_penalty(Structure::isotropic(d), h, beta, precision), beta);
    for (size_t i = 1; i < finer.size(); ++i) {
      const Tensor now = curvature_penalty(Structure{finer[i]}, h, beta, precision);
      CHECK(at_most(before, now, scale) < 1e-12);
      before = now;
    }
    CHECK(at_most(before, scale, scale) < 1e-12);
  }
  const Tensor r = rotation(d, 93), one = at::ones({}, at::kDouble);
  const auto with_eigenvalues = [&](const std::vector<double>& values) {
    return r.mul(at::tensor(values, at::kDouble)).mm(r.t()).unsqueeze(0);
  };
  const auto gap = [&](const Tensor& m, int64_t rank) {
    return (curvature_penalty(Structure::low_rank(d, rank), m, one) -
            curvature_penalty(Structure::full(d), m, one))
        .item<double>();
  };
  const Tensor equal = with_eigenvalues({0.1, 0.4, 3, 3, 3, 3, 3}),
               other = with_eigenvalues({0.1, 0.4, 3, 3, 3, 3, 3.5});
  CHECK(std::abs(gap(equal, 2)) < 1e-13);
  CHECK(gap(equal, 1) > 1e-3);
  CHECK(gap(other, 2) > 1e-4);
}

TEST_CASE("§4: a prior of any kind: ℓ + β[−log p(h) − (d/2) log 2π + ½ log det(V + H/β)], V = −∇² log p(h)") {
  const int64_t P = 6, d = 3, B = 5;
  const double b = 0.6;
  const auto assemble = [&](const std::string& prior, const Values& values, bool laplace) {
    Assembly model(P, d);
    model.with(Kind::kLikelihood, "bernoulli").standard();
    model.with(Kind::kPrior, prior, values);
    model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, d, 8, P,
                                              variform::PushforwardTier::kLayers, 12));
    return std::move(
        model.with(Kind::kObjective, "grae",
                   {{"beta", num(b)}, {"prior_curvature", txt(laplace ? "laplace" : "gaussian")}}));
  };
  const Tensor x = uniform({B, P}, 13);
  // V by hand, for independent latents: [B, d].
  const auto check = [&](const std::string& prior, const Values& values, const auto& v_of) {
    Assembly model = assemble(prior, values, true);
    const at::NoGradGuard guard;
    const Tensor h = model->posterior(x, {})->location(), v = v_of(h);
    const variform::Linearization local = model->latent_hessian(x, h, model->unit_tangents(B), {});
    const Tensor expected =
        model->nll(x, local.output, {}) +
        b * (-model->log_prior(h, {}) - 0.5 * static_cast<double>(d) * std::log(2 * M_PI) +
             0.5 * at::logdet(v.diag_embed() + local.hessian / b));
    CAPTURE(prior);
    CHECK(error(model.evaluate(x).loss, expected, expected.abs()) < 1e-10);
    return v;
  };
  const double s = 0.7, nu = 4;
  check("logistic", {{"scale", num(s)}},
        [&](const Tensor& h) { return 2 * (h / s).sigmoid() * (-h / s).sigmoid() / (s * s); });
  check("laplace", {}, [](const Tensor& h) { return at::zeros_like(h); });  // 0 almost everywhere
  const auto student = [&](double scale) {
    return [=](const Tensor& h) {
      const Tensor square = nu * scale * scale + h.square();
      return (nu + 1) * (nu * scale * scale - h.square()) / square.square();
    };
  };
  check("student-t", {{"df", num(nu)}, {"scale", num(2)}}, student(2));
  CHECK(student(0.1)(at::ones({1}, at::kDouble)).item<double>() < 0);  // it can be negative
  // For a Gaussian prior it is no approximation but the exact row.
  const Values gaussian{{"mean", variform::test::list({0.3, -1, 0})},
                        {"deviation", variform::test::list({0.5, 2, 1})}};
  CHECK(error(assemble("gaussian", gaussian, true).evaluate(x).loss,
              assemble("gaussian", gaussian, false).evaluate(x).loss) < 1e-12);
  CHECK_THROWS_AS(assemble("logistic", {}, false).evaluate(x), variform::Unsupported);
}

TEST_CASE("§4: limits of small and large β") {
  const int64_t B = 20, d = 6;
  for (int64_t rank : {2, 6}) {  // (β/2)(log pdet H − rank·log β), up to (β²/2) Σ 1/λ
    const Tensor u = rotation(d, 20).narrow(1, 0, rank), lambda = uniform({B, rank}, 21, 0.5, 3);
    const Tensor h = (u * lambda.unsqueeze(1)).matmul(u.t());
    for (double b : {1e-3, 1e-6, 1e-9}) {
      const Tensor beta = at::full({}, b, h.options());
      const Tensor expected = 0.5 * b * (lambda.log().sum(-1) - static_cast<double>(rank) * std::log(b));
      const Tensor next = 0.5 * b * b * lambda.reciprocal().sum(-1);
      // The null directions of H carry its rounding error, 1e-16/β each.
      const double rounding =
          100 * 1e-16 + 0.5 * b * static_cast<double>(d - rank) * std::min(1.0, 2e-15 / b);
      CHECK((curvature_penalty(Structure::full(d), h, beta) - expected).abs().max().item<double>() <
            next.max().item<double>() + rounding);
    }
  }
  const Tensor h = random_h(B, d, 9, 22);
  const Tensor diagonal = h.diagonal(0, 1, 2), trace = diagonal.sum(-1);
  for (double b : {1e3, 1e6, 1e9, 1e12}) {  // ½ tr H − ‖H‖²_F/(4β), up to tr(H³)/(6β²)
    const Tensor beta = at::full({}, b, h.options());
    const Tensor cubic = trace.pow(3) / (6 * b * b);
    const auto check = [&](const Structure& structure, const Tensor& squares) {
      CAPTURE(b, structure.name());
      const Tensor expected = 0.5 * trace - squares / (4 * b);
      const Tensor off = (curvature_penalty(structure, h, beta) - expected).abs();
      CHECK(((off - 1e-14 * trace) / cubic.clamp_min(1e-300)).max().item<double>() < 1.0);
    };
    check(Structure::full(d), h.square().sum({1, 2}));
    check(Structure::diagonal(d), diagonal.square().sum(-1));
    check(Structure::isotropic(d), trace.square() / static_cast<double>(d));
    check(Structure{{2, 4}}, (h * at::block_diag({at::ones({2, 2}), at::ones({4, 4})})).square().sum({1, 2}));
  }
}

TEST_CASE("§4: every row grows with β, from 0 with a zero gradient at β = 0") {
  const int64_t B = 30, d = 5;
  const Tensor h = random_h(B, d, 3, 30), q = random_precision(d, 31);
  for (const Structure& structure : structures(d))
    for (const Tensor& precision : {Tensor(), q}) {
      CAPTURE(structure.name(), precision.defined());
      Tensor before = curvature_penalty(structure, h, at::zeros({}, h.options()), precision);
      CHECK(at::equal(before, at::zeros_like(before)));
      for (double b = 1e-4; b < 1e5; b *= 3) {
        const Tensor now = curvature_penalty(structure, h, at::full({}, b, h.options()), precision);
        CHECK((now - before).min().item<double>() > 0);
        before = now;
      }
      Tensor signs = at::ones({B, 1, 1}, h.options());  // at β = 0 even an indefinite H costs nothing
      signs.slice(0, 0, B, 2).fill_(-1);
      Tensor leaf = (signs * h).requires_grad_(true),
             beta = at::tensor({0.0, 1.0}, at::kDouble).repeat({B / 2});
      curvature_penalty(structure, leaf, beta, precision).sum().backward();
      CHECK(at::isfinite(leaf.grad()).all().item<bool>());
      CHECK(leaf.grad().index_select(0, at::arange(0, B, 2)).abs().max().item<double>() == 0.0);
      CHECK(leaf.grad().index_select(0, at::arange(1, B, 2)).abs().min().item<double>() >= 0.0);
    }
}

TEST_CASE("§4: gradients in H, β and Q against central differences") {
  const int64_t B = 3, d = 5;
  // Eigenvalues apart, also where Q outweighs H/β: eigenvectors (low rank) turn fast where two eigenvalues meet.
  const Tensor r = rotation(d, 41), apart = r.mul(at::linspace(0.4, 4, d, at::kDouble)).mm(r.t());
  for (const Structure& structure : structures(d)) {
    CAPTURE(structure.name());
    for (double b : {0.05, 1.0, 50.0}) {
      Tensor h = random_h(B, d, 7, 40).requires_grad_(true), q = apart.clone().requires_grad_(true);
      Tensor beta = at::full({B}, b, h.options()).requires_grad_(true);
      const Tensor weight = normal({B}, 42), probe = normal({B, d, d}, 43);
      CHECK(variform::test::gradient_error(
                [&] { return (weight * curvature_penalty(structure, h, beta)).sum(); }, {h, beta}) < 1e-8);
      CHECK(variform::test::gradient_error(
                [&] { return (weight * curvature_penalty(structure, h, beta, q)).sum(); }, {h, beta, q}) <
            1e-8);
      CHECK(variform::test::gradient_error(
                [&] { return (probe * optimal_covariance(structure, h, beta, q).dense()).sum(); },
                {h, beta, q}) < 1e-7);
    }
  }
}

TEST_CASE("§4: second derivatives in H against central differences of the gradient") {
  const int64_t B = 3, d = 5;
  Tensor h = random_h(B, d, 7, 45).requires_grad_(true);
  const Tensor beta = at::full({}, 0.3, h.options()), probe = normal({B, d, d}, 46);
  for (const Structure& structure :
       {Structure::full(d), Structure::equal_blocks(d, 2), Structure::diagonal(d)}) {
    CAPTURE(structure.name());
    const auto along_probe = [&] {
      const at::AutoGradMode with_gradients(true);  // the differences are taken without
      const Tensor penalty = curvature_penalty(structure, h, beta).sum();
      return (torch::autograd::grad({penalty}, {h}, {}, true, /*create_graph=*/true)[0] * probe).sum();
    };
    CHECK(variform::test::gradient_error(along_probe, {h}) < 1e-7);
  }
}

TEST_CASE("§4: the gradient in H is ½Σ*, whatever the size of β") {
  const int64_t B = 10, d = 6;
  for (double b : {1e-4, 1.0, 1e4, 1e10}) {
    Tensor h = random_h(B, d, 9, 44).requires_grad_(true);
    const Tensor beta = at::full({}, b, h.options());
    for (const Structure& structure : structures(d)) {
      CAPTURE(b, structure.name());
      const Tensor gradient = torch::autograd::grad({curvature_penalty(structure, h, beta).sum()}, {h})[0];
      CHECK(error(gradient, 0.5 * optimal_covariance(structure, h.detach(), beta).dense()) < 1e-10);
    }
  }
}

TEST_CASE("§4: extreme sizes") {
  const Tensor one = at::ones({}, at::kDouble);
  SECTION("H = 0 costs nothing") {
    for (int64_t d : {1, 7})
      for (const Structure& structure : structures(d)) {
        const Tensor zero = at::zeros({3, d, d}, at::kDouble);
        CHECK(curvature_penalty(structure, zero, one).abs().max().item<double>() == 0.0);
        CHECK(error(optimal_covariance(structure, zero, one).dense(),
                    at::eye(d, at::kDouble).expand({3, d, d})) < 1e-15);
      }
  }
  SECTION("‖J‖ = 1e6 against singular values") {
    const int64_t d = 16;
    const Tensor j = 1e6 * normal({8, 40, d}, 50) / 6.0, h = j.transpose(1, 2).bmm(j);
    const Tensor expected = 0.5 * at::linalg_svdvals(j).square().log1p().sum(-1);
    CHECK(error(curvature_penalty(Structure::full(d), h, one), expected) < 1e-12);
  }
  SECTION("‖J‖ = 1e6 and fewer data values than latents") {
    const Tensor j = 1e6 * normal({8, 4, 16}, 51) / 6.0, h = j.transpose(1, 2).bmm(j);
    const Tensor expected = 0.5 * at::linalg_svdvals(j).square().log1p().sum(-1);
    CHECK(error(curvature_penalty(Structure::full(16), h, one), expected) < 1e-5);
  }
  SECTION("d = 1 and d = 128") {
    const Tensor h = random_h(4, 128, 200, 52), beta = random_beta(4, 53);
    const Tensor expected = 0.5 * beta * at::logdet(at::eye(128, h.options()) + h / beta.reshape({-1, 1, 1}));
    CHECK(error(curvature_penalty(Structure::full(128), h, beta), expected) < 1e-11);
    const Tensor small = random_h(4, 1, 3, 54), log = 0.5 * beta * (small.flatten() / beta).log1p();
    for (const Structure& structure : structures(1))
      CHECK(error(curvature_penalty(structure, small, beta), log) < 1e-15);
  }
  SECTION("float32 and unsymmetric input") {
    const Tensor h = random_h(4, 5, 7, 55), lower = 2 * h.tril(-1) + h.diagonal(0, 1, 2).diag_embed();
    const Tensor expected = curvature_penalty(Structure::full(5), h, one);
    CHECK(error(curvature_penalty(Structure::full(5), lower, one), expected) < 1e-14);
    const Tensor single = curvature_penalty(Structure::full(5), h.to(at::kFloat), one.to(at::kFloat));
    CHECK(single.scalar_type() == at::kDouble);
    CHECK(error(single, expected) < 1e-6);
  }
}

TEST_CASE("§4: where I + H/β is not positive definite, the row says NaN and the other rows do not") {
  Tensor h = random_h(3, 4, 6, 60);
  h[1] = -h[1];
  const Tensor beta = at::full({}, 1e-3, at::kDouble);
  for (const Structure& structure : structures(4)) {
    CAPTURE(structure.name());
    const Tensor bad = curvature_penalty(structure, h, beta).isnan();
    const Tensor bad_with_prior = curvature_penalty(structure, h, beta, at::eye(4, at::kDouble)).isnan();
    CHECK(at::equal(bad, at::tensor({0, 1, 0}, at::kLong).to(at::kBool)));
    CHECK(at::equal(bad_with_prior, bad));
    if (structure.rank >= 0) continue;
    const Covariance sigma = optimal_covariance(structure, h, beta);
    CHECK(sigma.log_det().isnan()[1].item<bool>());
    CHECK(sigma.dense()[1].isnan().any().item<bool>());  // no finite matrix that is no covariance
    CHECK_FALSE(sigma.dense()[0].isnan().any().item<bool>());
  }
  const Tensor minus = -at::eye(2, at::kDouble).unsqueeze(0),
               one = at::ones({}, at::kDouble);  // A = 0 exactly
  for (const Structure& structure : structures(2))
    CHECK(curvature_penalty(structure, minus, one).isnan().all().item<bool>());
}

TEST_CASE("§4: structures that do not fit are refused with a sentence") {
  const Tensor h = random_h(2, 4, 6, 61), one = at::ones({}, at::kDouble);
  const auto message = [&](const Structure& structure, const Tensor& m, const Tensor& beta,
                           const Tensor& q = {}) {
    try {
      curvature_penalty(structure, m, beta, q);
    } catch (const variform::Error& failure) {
      return std::string(failure.what());
    }
    return std::string("accepted");
  };
  CHECK_THAT(message(Structure::full(3), h, one),
             ContainsSubstring("add up to the latent dimension 4; found [3]"));
  CHECK_THAT(message(Structure{{2, 0, 2}}, h, one), ContainsSubstring("must be positive"));
  CHECK_THAT(message(Structure::low_rank(4, 4), h, one),
             ContainsSubstring("rank below the latent dimension 4; found 4"));
  CHECK_THAT(message(Structure::full(4), h[0], one), ContainsSubstring("[B, d, d]; found [4, 4]"));
  CHECK_THAT(message(Structure::full(4), h, at::ones({3}, at::kDouble)),
             ContainsSubstring("found shape [3]"));
  CHECK_THAT(message(Structure::full(4), h, one, at::eye(3, at::kDouble)), ContainsSubstring("found [3, 3]"));
  CHECK(Structure::named("block", 7, 3).blocks == std::vector<int64_t>{3, 3, 1});
  CHECK(Structure::named("isotropic", 7, 0).tied);
  CHECK_THROWS_WITH(Structure::named("block", 7, 0),
                    ContainsSubstring("block size from 1 to the latent dimension 7"));
  CHECK_THROWS_WITH(Structure::named("round", 7, 0), ContainsSubstring("found 'round'"));
  CHECK(Structure{{4, 4}}.name() == "blocks [4, 4]");
  CHECK(Structure::low_rank(5, 3).name() == "rank 3 plus s²I");
}

TEST_CASE("Covariance: every representation agrees with its dense matrix") {
  const int64_t B = 4, d = 6;
  const Tensor h = random_h(B, d, 8, 70), beta = random_beta(B, 71, -1, 1), q = random_precision(d, 72);
  for (const Structure& structure : structures(d)) {
    CAPTURE(structure.name());
    const Covariance sigma = optimal_covariance(structure, h, beta, q);
    const Tensor dense = sigma.dense(), eye = at::eye(d, h.options());
    CHECK(sigma.dimension() == d);
    CHECK(error(sigma.variances(), dense.diagonal(0, 1, 2)) < 1e-14);
    CHECK(error(sigma.log_det(), at::logdet(dense)) < 1e-12);
    CHECK(error(sigma.trace(h), (dense * h).sum({1, 2})) < 1e-13);
    CHECK(error(sigma.precision().bmm(dense), eye.expand({B, d, d})) < 1e-12);
    const Tensor roots = sigma.scale(eye.unsqueeze(1).expand({d, B, d}));  // [d, B, d]: columns of L
    CHECK(error(at::einsum("kbi,kbj->bij", {roots, roots}), dense) < 1e-13);
    for (const Shape& shape : {Shape{d}, Shape{B, d}, Shape{3, B, d}, Shape{2, 3, B, d}, Shape{3, 1, d}}) {
      const Tensor e = normal(shape, 73);
      CHECK(sigma.scale(e).sizes().slice(sigma.scale(e).dim() - 2) == at::IntArrayRef({B, d}));
      CHECK(error(sigma.whiten(sigma.scale(e)), e.expand_as(sigma.scale(e))) < 1e-12);
      CHECK(error(sigma.scale(e), at::einsum("...bk,bik->...bi", {e.expand_as(sigma.scale(e)),
                                                                  roots.permute({1, 2, 0})})) < 1e-13);
    }
    CHECK(sigma.to(at::kFloat).dense().scalar_type() == at::kFloat);
    CHECK(error(sigma.to(at::kFloat).dense().to(at::kDouble), dense) < 1e-5);
    const Covariance first =
        optimal_covariance(structure, h.narrow(0, 0, 1), beta[0], q);  // a batch of one, broadcast
    const Tensor e = normal({3, B, d}, 74);
    CHECK(error(first.scale(e).select(1, 0), sigma.scale(e).select(1, 0)) < 1e-13);
    CHECK(error(first.whiten(first.scale(e)), e) < 1e-12);
  }
}

}  // namespace section4
