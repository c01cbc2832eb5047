// §3 of the theory (and §2, §10): likelihoods are normalised, their second derivatives are right, and the second-order
// expansion is exact where it should be.

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace {

using variform::Curvature;
using variform::Kind;
using variform::Likelihood;
using variform::Shape;
using variform::Tensor;
using variform::test::Assembly;
using variform::test::error;
using variform::test::normal;
using variform::test::num;
using variform::test::Sizes;
using variform::test::SmallDecoder;
using variform::test::stock;
using variform::test::uniform;
using variform::test::Values;

std::shared_ptr<Likelihood> likelihood(const std::string& id, const Values& values = {},
                                       const Shape& data = {1}) {
  return variform::test::make<Likelihood>(stock(Kind::kLikelihood, id), values,
                                          Sizes{data, 2, 1, at::kDouble, 1, nullptr});
}

struct Case {
  std::string id;
  Values values;
  bool unit_interval;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all{{"gaussian", {}, false},
                                     {"gaussian", {{"variance", num(0.3)}}, false},
                                     {"gaussian", {{"variance", num(0.7)}, {"learned", num(1)}}, false},
                                     {"bernoulli", {}, true}};
  return all;
}

// tᵀ (∂²ℓ/∂g²) t by differentiating nll twice.
Tensor gram_by_derivatives(Likelihood& l, const Tensor& x, const Tensor& g, const Tensor& t) {
  const Tensor leaf = g.detach().clone().requires_grad_(true);
  const Tensor first = torch::autograd::grad({l.nll(x, leaf).sum()}, {leaf}, {}, true, true)[0];
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < t.size(0); ++i) {
    const Tensor second = torch::autograd::grad({(first * t[i]).sum()}, {leaf}, {}, true)[0];  // H_ℓ t_i
    rows.push_back((t * second).flatten(2).sum(-1));                                           // [T, B]
  }
  return at::stack(rows).permute({2, 0, 1});
}

}  // namespace

TEST_CASE("§3: gram is tᵀ(∂²ℓ/∂g²)t, by differentiating nll twice") {
  for (const Shape& data : {Shape{5}, Shape{2, 3, 4}})
    for (const Case& c : cases()) {
      CAPTURE(c.id, data);
      const auto l = likelihood(c.id, c.values, data);
      const int64_t B = 6, T = 3;
      Shape batch{B}, natural{B, l->outputs()}, tangents{T, B, l->outputs()};
      for (Shape* shape : {&batch, &natural, &tangents})
        shape->insert(shape->end(), data.begin(), data.end());
      const Tensor x = c.unit_interval ? uniform(batch, 1) : normal(batch, 1), g = 2 * normal(natural, 2);
      const Tensor t = normal(tangents, 3);
      const Tensor expected = gram_by_derivatives(*l, x, g, t);
      CHECK(error(l->gram(x, g, t, Curvature::kHessian), expected) < 1e-13);
      CHECK(error(l->gram(x, g, t, Curvature::kFisher), expected) < 1e-13);  // the same for these likelihoods
      CHECK(l->gram(x, g.to(at::kFloat), t, Curvature::kHessian).scalar_type() == at::kDouble);
      CHECK(error(l->gram(x, g.to(at::kFloat), t, Curvature::kHessian), expected) < 1e-6);
      CHECK(l->mean(g).sizes() == x.sizes());
      // Leading sizes of g are draws.
      const Tensor several = at::stack({g, g + 1, g - 1});
      CHECK(error(l->nll(x, several).select(0, 1), l->nll(x, g + 1)) < 1e-14);
      CHECK(l->mean(several).sizes()[0] == 3);
    }
}

TEST_CASE("§3: gradients of gram reach g, t and a learned variance") {
  const Tensor x = uniform({4, 5}, 1);
  for (const Case& c : cases()) {
    CAPTURE(c.id);
    const auto l = likelihood(c.id, c.values, {5});
    Tensor g = normal({4, 1, 5}, 2).requires_grad_(true), t = normal({2, 4, 1, 5}, 3).requires_grad_(true);
    const Tensor weight = normal({4, 2, 2}, 4);
    std::vector<Tensor> tensors{g, t};
    for (const Tensor& parameter : l->parameters()) tensors.push_back(parameter);
    CHECK(variform::test::gradient_error(
              [&] { return (weight * l->gram(x, g, t, Curvature::kHessian)).sum(); }, tensors) < 1e-9);
    CHECK(variform::test::gradient_error([&] { return l->nll(x, g).sum(); }, tensors) < 1e-9);
  }
}

TEST_CASE("§10: nll is normalised and in nats, constants kept") {
  for (double variance : {0.2, 1.0, 5.0}) {
    const auto l = likelihood("gaussian", {{"variance", num(variance)}});
    const int64_t n = 4001;
    const Tensor x = at::linspace(-40, 40, n, at::kDouble).unsqueeze(1), step = x[1] - x[0];
    for (double location : {-2.0, 0.5}) {
      const Tensor g = at::full({n, 1, 1}, location, at::kDouble), density = (-l->nll(x, g)).exp();
      CHECK(std::abs((density.sum() * step).item<double>() - 1) < 1e-10);
      CHECK(std::abs((density * x.squeeze(1)).sum().item<double>() * step.item<double>() - location) < 1e-9);
      CHECK(error(l->mean(g), at::full({n, 1}, location, at::kDouble)) < 1e-15);
    }
    CHECK(l->reference_variance()->item<double>() == variform::testing::Approx(variance));
  }
  const auto standard = likelihood("gaussian", {}, {784});
  const Tensor zero = at::zeros({1, 784}, at::kDouble);
  CHECK(std::abs(standard->nll(zero, zero.unsqueeze(1)).item<double>() - 720.4) < 0.05);  // §10
  const auto bernoulli = likelihood("bernoulli");
  const Tensor g = at::linspace(-900, 900, 37, at::kDouble).reshape({-1, 1, 1});
  const Tensor zeros = at::zeros({37, 1}, at::kDouble), ones = at::ones({37, 1}, at::kDouble);
  CHECK(error((-bernoulli->nll(zeros, g)).exp() + (-bernoulli->nll(ones, g)).exp(), ones.squeeze(1)) < 1e-15);
  CHECK(error((-bernoulli->nll(ones, g)).exp(), bernoulli->mean(g).squeeze(1)) < 1e-14);
  CHECK(error(bernoulli->nll(0.3 * ones, g), 0.3 * bernoulli->nll(ones, g) + 0.7 * bernoulli->nll(zeros, g)) <
        1e-14);
  CHECK(bernoulli->nll(zeros, g)[-1].item<double>() == 900);  // no overflow and no rounding to infinity
  CHECK(bernoulli->nll(ones, g)[-1].item<double>() >= 0);
  CHECK(bernoulli->reference_variance()->item<double>() == 1);
}

TEST_CASE("§3: samples have the stated mean and spread") {
  const int64_t n = 200000;
  auto rng = variform::test::generator(9);
  const auto gaussian = likelihood("gaussian", {{"variance", num(0.25)}});
  const Tensor drawn = gaussian->sample(at::full({n, 1, 1}, 1.5, at::kDouble), rng);
  CHECK(std::abs(drawn.mean().item<double>() - 1.5) < 5 * 0.5 / std::sqrt(n));
  CHECK(std::abs(drawn.var().item<double>() - 0.25) < 5 * 0.25 * std::sqrt(2.0 / n));
  const auto bernoulli = likelihood("bernoulli");
  const Tensor bits = bernoulli->sample(at::full({n, 1, 1}, -1.0, at::kDouble), rng);
  const double p = 1 / (1 + std::exp(1.0));
  CHECK(at::equal(bits, bits.square()));
  CHECK(std::abs(bits.mean().item<double>() - p) < 5 * std::sqrt(p * (1 - p) / n));
}

TEST_CASE("§2: σ² L(β, σ²) = L(βσ², 1) up to constants, so that β_eff = βσ²") {
  const int64_t P = 6, d = 3;
  const double variance = 0.37, beta = 1.9;
  const Tensor x = normal({10, P}, 3);
  const auto level = [&](double b, double v) {
    Assembly model(P, d);
    model.with(Kind::kLikelihood, "gaussian", {{"variance", num(v)}}).standard();
    model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, d, 5, P,
                                              variform::PushforwardTier::kLayers, 4));
    model.with(Kind::kObjective, "grae", {{"beta", num(b)}});
    return model.evaluate(x).loss - 0.5 * static_cast<double>(P) * std::log(2 * M_PI * v);
  };
  CHECK(error(variance * level(beta, variance), level(beta * variance, 1)) < 1e-12);
}

TEST_CASE("§3: the expansion is exact when ℓ(x, g(z)) is quadratic, for any q with these moments") {
  const int64_t P = 6, d = 3, B = 5;
  Assembly model(P, d);
  model.with(Kind::kLikelihood, "gaussian", {{"variance", num(0.4)}}).standard();
  model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kLinear, d, 5, P,
                                            variform::PushforwardTier::kLayers, 4));
  const Tensor x = normal({B, P}, 5), h = normal({B, d}, 6), l = normal({B, d, d}, 7).tril();
  // Two points ±√d L e_i for each i, equally likely: mean h, covariance LLᵀ, and nothing like a Gaussian.
  const Tensor columns = std::sqrt(d) * l.permute({2, 0, 1});
  const Tensor points = at::cat({h + columns, h - columns});
  const Tensor expected = model->nll(x, model->decode(points)).mean(0);
  const auto [g, hessian] = model->latent_hessian(x, h, model->unit_tangents(B));
  const Tensor taylor = model->nll(x, g) + 0.5 * (hessian * l.bmm(l.transpose(1, 2))).sum({1, 2});
  CHECK(error(taylor, expected) < 1e-13);
}

TEST_CASE(
    "§3: ∇²F = JᵀH_ℓJ + Σ_k (∂ℓ/∂g_k) ∇²g_k; the second term is zero for a ReLU decoder, not for tanh") {
  const int64_t P = 6, d = 3;
  for (const std::string id : {"gaussian", "bernoulli"})
    for (const bool relu : {false, true}) {
      CAPTURE(id, relu);
      Assembly model(P, d);
      model.with(Kind::kLikelihood, id).standard();
      const auto shape = relu ? SmallDecoder::Shape::kRelu : SmallDecoder::Shape::kTanh;
      model.with(std::make_shared<SmallDecoder>(shape, d, 8, P, variform::PushforwardTier::kLayers, 4));
      const Tensor x = uniform({1, P}, 5);
      Tensor z = normal({1, d}, 6).requires_grad_(true);
      const auto second = [&](const Tensor& value) {  // ∇² of a scalar at z
        const Tensor first = torch::autograd::grad({value}, {z}, {}, true, true, true)[0];
        std::vector<Tensor> rows;
        for (int64_t i = 0; i < d; ++i) {
          const Tensor row = torch::autograd::grad({first[0][i]}, {z}, {}, true, false, true)[0];
          rows.push_back(row.defined() ? row[0] : at::zeros({d}, at::kDouble));
        }
        return at::stack(rows);
      };
      const Tensor hessian = second(model->nll(x, model->decode(z)).sum());
      const Tensor gauss_newton = model->latent_hessian(x, z, model->unit_tangents(1)).h[0].detach();
      Tensor g = model->decode(z.detach()).detach().requires_grad_(true);
      const Tensor slope = torch::autograd::grad({model->nll(x, g).sum()}, {g})[0];
      const Tensor rest = second((slope * model->decode(z)).sum());
      CHECK(error(gauss_newton + rest, hessian, hessian.abs().max()) < 1e-13);
      if (relu) CHECK(rest.abs().max().item<double>() == 0);
      else CHECK((rest.abs().max() / hessian.abs().max()).item<double>() > 0.01);
    }
}
