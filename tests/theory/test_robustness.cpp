// Numerical robustness of everything that is made of curvature (§4, §5): collapsed latents, Jacobians of norm 0 and 1e6,
// β = 1e-6 and 1e6, one row, 1 and 128 latents. Loss and gradients are finite, and within 1e-5 of singular values while
// ‖J‖²/β ≤ 1e12; beyond, they are finite, or NaN as a whole, which the trainer reports as an error and names.

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace robustness_test {
namespace {

using variform::curvature_penalty;
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

// The names that objectives and family `optimal` know, with what they need.
const std::vector<std::pair<std::string, Values>>& structures() {
  static const std::vector<std::pair<std::string, Values>> all{{"full", {}},
                                                               {"diagonal", {}},
                                                               {"block", {{"block", num(3)}}},
                                                               {"isotropic", {}},
                                                               {"low-rank", {{"rank", num(1)}}}};
  return all;
}

Structure structure_of(const std::string& name, int64_t d) {
  return name == "low-rank" ? Structure::low_rank(d, 1) : Structure::named(name, d, 3);
}

// 2 Σ log diag R of the QR decomposition of [√β I; J], from singular values: log det(I + JᵀJ/β) without a Gram matrix.
Tensor log_det(const Tensor& j, double beta) {
  return (at::linalg_svdvals(j) / std::sqrt(beta)).square().log1p().sum(-1);
}

// §4's third column by singular values and norms of columns.
Tensor reference(const std::string& structure, const Tensor& j, double beta) {
  const int64_t d = j.size(-1);
  const double dd = static_cast<double>(d);
  if (structure == "full") return 0.5 * beta * log_det(j, beta);
  const Tensor squares = j.square().sum(-2);
  if (structure == "diagonal") return 0.5 * beta * (squares / beta).log1p().sum(-1);
  if (structure == "isotropic") return 0.5 * beta * dd * (squares.sum(-1) / (dd * beta)).log1p();
  if (structure == "block") {
    Tensor sum = at::zeros({j.size(0)}, j.options());
    for (int64_t start = 0; start < d; start += 3)
      sum = sum + log_det(j.narrow(-1, start, std::min<int64_t>(3, d - start)), beta);
    return 0.5 * beta * sum;
  }
  Tensor squared = at::linalg_svdvals(j).square();  // low rank 1: the smallest eigenvalue by itself
  if (squared.size(-1) < d) squared = at::constant_pad_nd(squared, {0, d - squared.size(-1)});
  return 0.5 * beta *
         ((squared.select(-1, d - 1) / beta).log1p() +
          (dd - 1) * (squared.narrow(-1, 0, d - 1).sum(-1) / ((dd - 1) * beta)).log1p());
}

struct Size {
  int64_t B, P, d;
};
const std::vector<Size> kSizes{{1, 9, 1}, {1, 9, 6}, {4, 3, 6}, {3, 200, 128}, {2, 20, 128}};

// A linear decoder whose Jacobian has the (spectral) norm `norm`.
Assembly assemble(const Size& size, double norm, const std::string& objective, const Values& values,
                  const std::string& family = "point", const Values& family_values = {}) {
  Assembly model(size.P, size.d);
  model.with(Kind::kLikelihood, "gaussian").with(Kind::kPrior, "gaussian");
  model.with(Kind::kFamily, family, family_values);
  model.with(std::make_shared<SmallEncoder>(false, size.P, 7, model->family().parameter_count(size.d), 11));
  model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kLinear, size.d, size.P, size.P,
                                            PushforwardTier::kLayers, 12));
  {
    const at::NoGradGuard guard;
    model.decoder().v_.copy_(at::eye(size.P, at::kDouble));
    const Tensor w = normal({size.P, size.d}, 13);
    model.decoder().set_linear(norm / at::linalg_svdvals(w).max() * w);
  }
  return std::move(model.with(Kind::kObjective, objective, values));
}

void check_finite(Assembly& model, const Tensor& x) {
  const Tensor loss = model.evaluate(x, 3).loss;
  CHECK(at::isfinite(loss).all().item<bool>());
  std::vector<Tensor> tensors = model.encoder().parameters();
  for (const Tensor& tensor : model.decoder().parameters()) tensors.push_back(tensor);
  for (const Tensor& gradient : torch::autograd::grad({loss.sum()}, tensors, {}, {}, false, true))
    if (gradient.defined()) CHECK(at::isfinite(gradient).all().item<bool>());
}

}  // namespace

TEST_CASE("robustness: §4's rows within 1e-5 of singular values while ‖J‖²/β ≤ 1e12, whatever the rank") {
  for (const Size& size : kSizes)
    for (double norm : {0.0, 1e-6, 1.0, 1e3, 1e6})
      for (double beta : {1e-6, 1e-3, 1.0, 1e3, 1e6}) {
        if (norm * norm / beta > 1.0001e12) continue;
        const Tensor shape = normal({size.B, size.P, size.d}, 14);
        const Tensor j = norm * shape / at::linalg_svdvals(shape).amax(-1).reshape({-1, 1, 1});
        const Tensor b = at::full({}, beta, at::kDouble);
        for (const auto& [name, values] : structures()) {
          if (name == "block" && size.d < 3) continue;
          if (name == "low-rank" && size.d < 2) continue;
          CAPTURE(size.B, size.P, size.d, norm, beta, name);
          Tensor h = j.transpose(1, 2).bmm(j).requires_grad_(true);
          const Tensor found = curvature_penalty(structure_of(name, size.d), h, b);
          const Tensor expected = reference(name, j, beta);
          if (norm == 0) CHECK(found.abs().max().item<double>() == 0);
          else CHECK(error(found, expected, expected) < 1e-5);
          // Also its gradient, which is ½Σ*: between 0 and ½.
          const Tensor gradient = torch::autograd::grad({found.sum()}, {h})[0];
          CHECK(at::isfinite(gradient).all().item<bool>());
          CHECK(gradient.abs().max().item<double>() <= 0.5 + 1e-3);
        }
      }
}

TEST_CASE("robustness: finite losses and gradients of every curvature objective, at every size and scale") {
  for (const Size& size : kSizes) {
    const Tensor x = normal({size.B, size.P}, 15);
    for (double norm : {0.0, 1.0, 1e6})
      for (double beta : {1e-6, 1.0, 1e6}) {
        if (norm * norm / beta > 1.0001e12) continue;
        CAPTURE(size.B, size.P, size.d, norm, beta);
        for (const auto& [name, values] : structures()) {
          if (size.d < 3 && (name == "block" || name == "low-rank")) continue;
          CAPTURE(name);
          Values all = values;
          all["structure"] = txt(name);
          Values family = all;
          all["beta"] = num(beta);
          Assembly grae = assemble(size, norm, "grae", all);
          check_finite(grae, x);
          // The posterior that belongs to it.
          family["beta"] = num(beta);
          Assembly optimal = assemble(size, norm, "taylor", {{"beta", num(beta)}}, "optimal", family);
          const at::NoGradGuard guard;
          const variform::Terms terms = optimal.evaluate(x, 3);
          CHECK(at::isfinite(terms.loss).all().item<bool>());
          CHECK(error(terms.loss, grae.evaluate(x, 3).loss, terms.loss.abs().max()) < 1e-5);
          CHECK(at::isfinite(optimal->posterior(x, {})->rsample(2, optimal->rng).z).all().item<bool>());
        }
        Assembly sampled = assemble(size, norm, "grae-approx", {{"beta", num(beta)}, {"per_sample", num(1)}});
        check_finite(sampled, x);
        for (const char* family : {"diagonal", "full", "isotropic", "fixed"}) {
          CAPTURE(family);
          if (size.d > 100 && family == std::string("full")) continue;  // its encoder has 8,000 outputs
          Assembly taylor = assemble(size, norm, "taylor", {{"beta", num(beta)}}, family);
          check_finite(taylor, x);
        }
        Assembly penalised = assemble(size, norm, "rae-gp", {{"penalty", num(beta)}});
        check_finite(penalised, x);
      }
  }
}

TEST_CASE("robustness: latents that collapsed to zero") {
  for (const Size& size : {Size{4, 9, 6}, Size{1, 9, 6}})
    for (double beta : {1e-6, 1.0, 1e6})
      for (const auto& [name, values] : structures()) {
        CAPTURE(size.B, beta, name);
        Values all = values;
        all["structure"] = txt(name);
        all["beta"] = num(beta);
        for (int64_t collapsed : {1, 5, 6}) {
          Assembly model = assemble(size, 2.0, "grae", all);
          {
            const at::NoGradGuard guard;  // neither encoder nor decoder uses the last latents
            model.decoder().w_.narrow(1, 6 - collapsed, collapsed).zero_();
            model.encoder().c_.narrow(0, 6 - collapsed, collapsed).zero_();
            model.encoder().e_.narrow(0, 6 - collapsed, collapsed).zero_();
          }
          const Tensor x = normal({size.B, size.P}, 15);
          check_finite(model, x);
          const Tensor j = model.decoder().product().unsqueeze(0);
          const Tensor found = model.part(x, "penalty"), expected = reference(name, j.detach(), beta);
          CHECK(error(found, expected.expand_as(found), expected.abs() + 1e-300) < 1e-8);
        }
      }
}

TEST_CASE(
    "robustness: beyond ‖J‖²/β = 1e12 the loss is right where the Jacobian has full rank, else finite or all "
    "NaN") {
  for (const Size& size : {Size{1, 9, 1}, Size{2, 40, 6}, Size{2, 3, 6}, Size{1, 20, 128}})
    for (double norm : {1e6, 1e9})
      for (double beta : {1e-6, 1e-3}) {
        const Tensor shape = normal({size.B, size.P, size.d}, 16);
        const Tensor j = norm * shape / at::linalg_svdvals(shape).amax(-1).reshape({-1, 1, 1});
        const Tensor h = j.transpose(1, 2).bmm(j), b = at::full({}, beta, at::kDouble);
        for (const auto& [name, values] : structures()) {
          if (size.d < 3 && (name == "block" || name == "low-rank")) continue;
          CAPTURE(size.P, size.d, norm, beta, name);
          const Tensor found = curvature_penalty(structure_of(name, size.d), h, b);
          CHECK((at::isfinite(found) | found.isnan()).all().item<bool>());
          const Tensor expected = reference(name, j, beta);
          if (size.P > size.d || name == "diagonal" || name == "isotropic")
            CHECK(error(found, expected, expected) < 1e-5);
          else if (at::isfinite(found)
                       .all()
                       .item<bool>())  // null directions carry rounding: no smaller than it is
            CHECK((found > 0.5 * expected).all().item<bool>());
        }
      }
}

}  // namespace robustness_test
