// §3 of the theory (and §10's constants): likelihoods are normalised, their second derivatives are right, and the second-order
// expansion is exact where it should be.

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>

namespace section3 {
namespace {

using variform::Curvature;
using variform::Kind;
using variform::Likelihood;
using variform::Shape;
using variform::Tensor;
using variform::test::Assembly;
using variform::test::error;
using variform::test::integral;
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
                                     {"bernoulli", {}, true},
                                     {"continuous-bernoulli", {}, true}};
  return all;
}

// tᵀ (∂²ℓ/∂g²) t by differentiating nll twice.
Tensor gram_by_derivatives(Likelihood& l, const Tensor& x, const Tensor& g, const Tensor& t) {
  const Tensor leaf = g.detach().clone().requires_grad_(true);
  const Tensor first = torch::autograd::grad({l.nll(x, leaf, {}).sum()}, {leaf}, {}, true, true)[0];
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
      CHECK(error(l->curvature_form(x, g, t, Curvature::kHessian, {}), expected) < 1e-13);
      CHECK(error(l->curvature_form(x, g, t, Curvature::kFisher, {}), expected) <
            1e-13);  // the same for these likelihoods
      CHECK(l->curvature_form(x, g.to(at::kFloat), t, Curvature::kHessian, {}).scalar_type() == at::kDouble);
      CHECK(error(l->curvature_form(x, g.to(at::kFloat), t, Curvature::kHessian, {}), expected) < 1e-6);
      CHECK(l->mean(g).sizes() == x.sizes());
      // Leading sizes of g are draws.
      const Tensor several = at::stack({g, g + 1, g - 1});
      CHECK(error(l->nll(x, several, {}).select(0, 1), l->nll(x, g + 1, {})) < 1e-14);
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
              [&] { return (weight * l->curvature_form(x, g, t, Curvature::kHessian, {})).sum(); }, tensors) <
          1e-7);
    CHECK(variform::test::gradient_error([&] { return l->nll(x, g, {}).sum(); }, tensors) < 1e-7);
  }
}

TEST_CASE(
    "§3: a mixture of discretised logistics: Fisher information is the mean of the exact form, which is "
    "indefinite") {
  const int64_t levels = 7, B = 4, T = 3, n = 9, P = 5;
  const auto l = likelihood("discretised-logistic-mixture",
                            {{"components", num(3)}, {"levels", num(levels)}, {"scale", num(0.15)}}, {P});
  const Tensor g = 0.7 * normal({B, n, P}, 2), t = normal({T, B, n, P}, 3);
  const Tensor x = uniform({B, P}, 1).mul(levels - 1).round() / (levels - 1);
  CHECK(error(l->curvature_form(x, g, t, Curvature::kHessian, {}), gram_by_derivatives(*l, x, g, t)) < 1e-12);
  Tensor total = at::zeros({}, at::kDouble), mean = at::zeros({B, P}, at::kDouble);
  Tensor expected = at::zeros({B, T, T}, at::kDouble);
  for (int64_t value = 0; value < P; ++value) {  // one value at a time, over all its levels
    const auto one = [&](const Tensor& y) { return y.narrow(-1, value, 1); };
    const auto single = likelihood("discretised-logistic-mixture",
                                   {{"components", num(3)}, {"levels", num(levels)}, {"scale", num(0.15)}});
    Tensor sum = at::zeros({B}, at::kDouble);
    for (int64_t level = 0; level < levels; ++level) {
      const double at = static_cast<double>(level) / (levels - 1);
      const Tensor there = at::full({B, 1}, at, at::kDouble), p = (-single->nll(there, one(g), {})).exp();
      sum += p;
      mean.select(1, value) += at * p;
      expected +=
          p.reshape({B, 1, 1}) * single->curvature_form(there, one(g), one(t), Curvature::kHessian, {});
    }
    CHECK(error(sum, at::ones({B}, at::kDouble)) < 1e-13);
  }
  CHECK(error(l->mean(g), mean) < 1e-13);
  const Tensor fisher = l->curvature_form(x, g, t, Curvature::kFisher, {});
  CHECK(error(fisher, expected) < 1e-12);
  CHECK(at::linalg_eigvalsh(fisher).min().item<double>() > 0);
  const Tensor all = at::eye(n, at::kDouble).reshape({n, 1, n, 1}).expand({n, B, n, P});
  CHECK(at::linalg_eigvalsh(l->curvature_form(x, g, all, Curvature::kHessian, {})).min().item<double>() <
        -1e-3);
  // One component whose scale is not moved is the discretised logistic, tiny scales and far data included.
  const auto one =
      likelihood("discretised-logistic-mixture", {{"components", num(1)}, {"scale", num(1e-4)}}, {P});
  const auto plain = likelihood("discretised-logistic", {{"scale", num(1e-4)}}, {P});
  const Tensor location = at::linspace(-2, 3, B * P, at::kDouble).reshape({B, 1, P}),
               none = at::zeros_like(location);
  const Tensor both = at::cat({none, location, none}, 1).requires_grad_(true);
  CHECK(error(one->nll(x, both, {}), plain->nll(x, location, {})) < 1e-14);
  const Tensor slope =
      torch::autograd::grad({one->curvature_form(x, both, t.narrow(2, 0, 3), Curvature::kHessian, {}).sum() +
                             one->nll(x, both, {}).sum()},
                            {both})[0];
  CHECK(slope.isfinite().all().item<bool>());
}

TEST_CASE("§10: nll is normalised and in nats, constants kept") {
  for (double variance : {0.2, 1.0, 5.0}) {
    const auto l = likelihood("gaussian", {{"variance", num(variance)}});
    const int64_t n = 4001;
    const Tensor x = at::linspace(-40, 40, n, at::kDouble).unsqueeze(1), step = x[1] - x[0];
    for (double location : {-2.0, 0.5}) {
      const Tensor g = at::full({n, 1, 1}, location, at::kDouble), density = (-l->nll(x, g, {})).exp();
      CHECK(std::abs((density.sum() * step).item<double>() - 1) < 1e-10);
      CHECK(std::abs((density * x.squeeze(1)).sum().item<double>() * step.item<double>() - location) < 1e-9);
      CHECK(error(l->mean(g), at::full({n, 1}, location, at::kDouble)) < 1e-15);
    }
    CHECK(l->noise_variance()->item<double>() == variform::testing::Approx(variance));
  }
  const auto standard = likelihood("gaussian", {}, {784});
  const Tensor zero = at::zeros({1, 784}, at::kDouble);
  CHECK(std::abs(standard->nll(zero, zero.unsqueeze(1), {}).item<double>() - 720.4) < 0.05);  // §10
  const auto bernoulli = likelihood("bernoulli");
  const Tensor g = at::linspace(-900, 900, 37, at::kDouble).reshape({-1, 1, 1});
  const Tensor zeros = at::zeros({37, 1}, at::kDouble), ones = at::ones({37, 1}, at::kDouble);
  CHECK(error((-bernoulli->nll(zeros, g, {})).exp() + (-bernoulli->nll(ones, g, {})).exp(), ones.squeeze(1)) <
        1e-15);
  CHECK(error((-bernoulli->nll(ones, g, {})).exp(), bernoulli->mean(g).squeeze(1)) < 1e-14);
  CHECK(error(bernoulli->nll(0.3 * ones, g, {}),
              0.3 * bernoulli->nll(ones, g, {}) + 0.7 * bernoulli->nll(zeros, g, {})) < 1e-14);
  CHECK(bernoulli->nll(zeros, g, {})[-1].item<double>() == 900);  // no overflow and no rounding to infinity
  CHECK(bernoulli->nll(ones, g, {})[-1].item<double>() >= 0);
  CHECK(bernoulli->noise_variance()->item<double>() == 1);
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
  const Tensor expected = model->nll(x, model->decode(points, {}), {}).mean(0);
  const auto [g, hessian] = model->latent_hessian(x, h, model->unit_tangents(B), {});
  const Tensor taylor = model->nll(x, g, {}) + 0.5 * (hessian * l.bmm(l.transpose(1, 2))).sum({1, 2});
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
      const Tensor hessian = second(model->nll(x, model->decode(z, {}), {}).sum());
      const Tensor gauss_newton =
          model->latent_hessian(x, z, model->unit_tangents(1), {}).hessian[0].detach();
      Tensor g = model->decode(z.detach(), {}).detach().requires_grad_(true);
      const Tensor slope = torch::autograd::grad({model->nll(x, g, {}).sum()}, {g})[0];
      const Tensor rest = second((slope * model->decode(z, {})).sum());
      CHECK(error(gauss_newton + rest, hessian, hessian.abs().max()) < 1e-13);
      if (relu) CHECK(rest.abs().max().item<double>() == 0);
      else CHECK((rest.abs().max() / hessian.abs().max()).item<double>() > 0.01);
    }
}

namespace {

// A row of §3's table for one data value: ℓ's second derivative and its Fisher information.
struct TableRow {
  std::string id;
  Values values;
  Tensor x;                                                       // where ℓ is looked at
  std::function<Tensor(const Tensor& x, const Tensor& g)> exact;  // empty: refused
  std::function<Tensor(const Tensor& g)> fisher;                  // empty: refused
  Tensor support;                                                 // all x, for E_x|g: a grid, or all values
  bool discrete;
};

Tensor logistic_slope(const Tensor& u) { return u.sigmoid() * (-u).sigmoid(); }  // S(u) S(−u)

std::vector<TableRow> table() {
  const double s = 0.7, nu = 4, b = 1.3, variance = 0.3, delta = 1.0 / 15;
  const auto grid = [](double low, double high, int64_t n) {
    return at::linspace(low, high, n, at::kDouble);
  };
  const Tensor line = grid(-300, 300, 600001), some = normal({7}, 60), unit = grid(0, 1, 20001),
               inner = uniform({7}, 61), bits = at::tensor({0.0, 1.0}, at::kDouble),
               counts = at::arange(200, at::kDouble), levels = at::arange(16, at::kDouble) / 15;
  const auto constant = [](double value) {
    return [value](const Tensor& g) { return at::full_like(g, value); };
  };
  const auto bernoulli = [](const Tensor& g) { return logistic_slope(g); };
  const auto continuous = [](const Tensor& g) { return 1 / g.square() - 1 / (4 * (g / 2).sinh().square()); };
  return {{"gaussian",
           {{"variance", num(variance)}},
           some,
           [=](const Tensor& x, const Tensor&) { return at::full_like(x, 1 / variance); },
           constant(1 / variance),
           line,
           false},
          {"bernoulli",
           {},
           bits,
           [=](const Tensor&, const Tensor& g) { return bernoulli(g); },
           bernoulli,
           bits,
           true},
          {"bernoulli",
           {},
           inner,
           [=](const Tensor&, const Tensor& g) { return bernoulli(g); },
           bernoulli,
           bits,
           true},
          {"poisson",
           {},
           at::tensor({0.0, 1.0, 5.0}, at::kDouble),
           [](const Tensor&, const Tensor& g) { return g.exp(); },
           [](const Tensor& g) { return g.exp(); },
           counts,
           true},
          {"continuous-bernoulli",
           {},
           inner,
           [=](const Tensor&, const Tensor& g) { return continuous(g); },
           continuous,
           unit,
           false},
          {"logistic",
           {{"scale", num(s)}},
           some,
           [=](const Tensor& x, const Tensor& g) { return 2 * logistic_slope((x - g) / s) / (s * s); },
           constant(1 / (3 * s * s)),
           line,
           false},
          {"discretised-logistic",
           {{"scale", num(s)}, {"levels", num(16)}},
           levels,
           [=](const Tensor& x, const Tensor& g) {
             const Tensor upper = logistic_slope((x + delta / 2 - g) / s),
                          lower = logistic_slope((x - delta / 2 - g) / s);
             return (upper * (x < 1 - delta / 2) + lower * (x > delta / 2)) / (s * s);  // end bins: one term
           },
           {},
           levels,
           true},
          {"student-t",
           {{"df", num(nu)}, {"scale", num(s)}},
           some,
           [=](const Tensor& x, const Tensor& g) {
             const Tensor r2 = (x - g).square();
             return (nu + 1) * (nu * s * s - r2) / (nu * s * s + r2).square();
           },
           constant((nu + 1) / ((nu + 3) * s * s)),
           line,
           false},
          {"laplace", {{"scale", num(b)}}, some, {}, constant(1 / (b * b)), line, false}};
}

// [n] -> [n] of a likelihood of one data value at paired x and g.
Tensor nll_at(Likelihood& l, const Tensor& x, const Tensor& g) {
  return l.nll(x.unsqueeze(1), g.reshape({-1, 1, 1}), {});
}
Tensor gram_at(Likelihood& l, const Tensor& x, const Tensor& g, Curvature curvature) {
  return l
      .curvature_form(x.unsqueeze(1), g.reshape({-1, 1, 1}), at::ones({1, g.size(0), 1, 1}, at::kDouble),
                      curvature, {})
      .flatten();
}

}  // namespace

TEST_CASE("§3: every row of the table of second derivatives, exact and Fisher") {
  for (const TableRow& row : table()) {
    CAPTURE(row.id);
    const auto l = likelihood(row.id, row.values);
    for (double location : {-3.0, -0.4, 0.3, 0.9, 4.0}) {
      CAPTURE(location);
      const Tensor g = at::full_like(row.x, location);
      const auto second = [&](const Tensor& x) {  // by differentiating ℓ twice
        Tensor leaf = at::full_like(x, location).requires_grad_(true);
        const Tensor slope = torch::autograd::grad({nll_at(*l, x, leaf).sum()}, {leaf}, {}, true, true)[0];
        return std::pair(slope, torch::autograd::grad({slope.sum()}, {leaf}, {}, true, false, true)[0]);
      };
      if (row.exact) {
        const Tensor expected = row.exact(row.x, g), found = gram_at(*l, row.x, g, Curvature::kHessian);
        CHECK(error(found, expected) < 1e-10);
        if (row.id != "gaussian") CHECK(error(second(row.x).second, expected) < 1e-9);
        const bool negative = (expected < 0).any().item<bool>();
        if (row.id == "student-t")  // negative iff r² > νs²
          CHECK(at::equal(found<0, (row.x - g).square()> 4 * 0.7 * 0.7));
        else CHECK_FALSE(negative);
      } else {  // 0 almost everywhere, and refused
        CHECK_THROWS_AS(gram_at(*l, row.x, g, Curvature::kHessian), variform::Unsupported);
      }
      if (!row.fisher) {
        CHECK_THROWS_AS(gram_at(*l, row.x, g, Curvature::kFisher), variform::Unsupported);
        continue;
      }
      const Tensor found = gram_at(*l, row.x, g, Curvature::kFisher);
      CHECK(error(found, row.fisher(g)) < 1e-10);
      // It is the mean of the exact one under the model, and of the squared slope (where that exists alone: Laplace).
      const Tensor all = row.support, there = at::full_like(all, location),
                   density = (-nll_at(*l, all, there)).exp(), slope = second(all).first.detach();
      const auto mean = [&](const Tensor& values) {
        return row.discrete ? (density * values).sum().item<double>() : integral(density * values, all);
      };
      const double expected = found[0].item<double>(), tolerance = row.discrete ? 1e-10 : 1e-5;
      CHECK(std::abs(mean(at::ones_like(all)) - 1) < tolerance);
      CHECK(std::abs(mean(slope.square()) / expected - 1) < tolerance);
      if (row.exact) CHECK(std::abs(mean(row.exact(all, there)) / expected - 1) < tolerance);
    }
  }
}

TEST_CASE(
    "§3: the table's row for categorical logits: diag p − ppᵀ, exact and Fisher, positive semidefinite") {
  const int64_t n = 5, B = 6;
  const auto l = likelihood("categorical", {{"classes", num(n)}});
  const Tensor x = at::randint(n, {B, 1}, variform::test::generator(1), at::kDouble),
               g = 2 * normal({B, n, 1}, 2);
  const Tensor t = at::eye(n, at::kDouble).reshape({n, 1, n, 1}).expand({n, B, n, 1});
  const Tensor p = g.squeeze(2).softmax(1), expected = p.diag_embed() - p.unsqueeze(2) * p.unsqueeze(1);
  CHECK(error(l->curvature_form(x, g, t, Curvature::kHessian, {}), expected) < 1e-12);
  CHECK(error(l->curvature_form(x, g, t, Curvature::kFisher, {}), expected) < 1e-12);
  CHECK(error(gram_by_derivatives(*l, x, g, t), expected) < 1e-10);
  CHECK(at::linalg_eigvalsh(expected).min().item<double>() > -1e-14);
  CHECK(expected.sum(-1).abs().max().item<double>() < 1e-15);  // shifting all logits changes nothing
}

TEST_CASE("§3: a Gaussian with outputs (μ, log v): an indefinite Hessian, Fisher information diag(1/v, ½)") {
  const Tensor x = at::linspace(-60, 60, 120001, at::kDouble);
  for (double mu : {-1.0, 0.5})
    for (double lambda : {-1.0, 0.0, 1.2}) {
      const double v = std::exp(lambda);
      const auto nll = [&](const Tensor& m, const Tensor& log_v) {
        return 0.5 * ((x - m).square() * (-log_v).exp() + log_v + std::log(2 * M_PI));
      };
      Tensor m = at::full_like(x, mu).requires_grad_(true),
             log_v = at::full_like(x, lambda).requires_grad_(true);
      const auto first = torch::autograd::grad({nll(m, log_v).sum()}, {m, log_v}, {}, true, true);
      const auto rows = [&](size_t i) {
        return torch::autograd::grad({first[i].sum()}, {m, log_v}, {}, true);
      };
      const Tensor r = x - mu, h11 = at::full_like(x, 1 / v), h12 = r / v, h22 = r.square() / (2 * v);
      CHECK(error(rows(0)[0], h11) < 1e-12);
      CHECK(error(rows(0)[1], h12) < 1e-12);
      CHECK(error(rows(1)[1], h22) < 1e-12);
      CHECK((h11 * h22 - h12.square()).max().item<double>() <= 0);  // −r²/(2v²): one eigenvalue of each sign
      const Tensor density = (-nll(m, log_v)).exp().detach();
      CHECK(std::abs(integral(density * h11, x) - 1 / v) < 1e-9);
      CHECK(std::abs(integral(density * h12, x)) < 1e-9);
      CHECK(std::abs(integral(density * h22, x) - 0.5) < 1e-9);
    }
}

TEST_CASE(
    "§3: the stable discretised-logistic log-pmf is log[S(a) − S(b)], and stays finite where that is 0") {
  const double s = 0.05, delta = 1.0 / 255;
  const auto l = likelihood("discretised-logistic", {{"scale", num(s)}});
  const Tensor x = at::arange(1, 255, at::kDouble) * delta, g = uniform({254}, 70, -0.2, 1.2);
  const Tensor a = (x + delta / 2 - g) / s, b = (x - delta / 2 - g) / s;
  const Tensor log_pmf = a.sigmoid().log() + (-b).sigmoid().log() + std::log(-std::expm1(-delta / s));
  CHECK(error(-nll_at(*l, x, g), log_pmf) < 1e-12);
  const Tensor naive = (a.sigmoid() - b.sigmoid()).log(), sure = (x - g).abs() < 0.5;
  CHECK(error((-nll_at(*l, x, g)).masked_select(sure), naive.masked_select(sure)) < 1e-9);
  const Tensor far = at::full_like(x, 50.0);  // S(a) − S(b) = 0 in float64
  CHECK(at::isfinite(nll_at(*l, x, far)).all().item<bool>());
  CHECK(error(nll_at(*l, x, far), (far - x) / s, (far - x) / s) < 0.01);
}

TEST_CASE(
    "§3: L_β − L_Taylor: kinks contribute −½ s² Σ_j p(z_j)|w_j| V_jᵀr, at the order of the covariance") {
  // One latent; h ~ N(0, 1) over the data and q = N(h, s²), so that h + δ ~ N(0, 1 + s²).
  const int64_t P = 4, hidden = 5;
  Assembly model(P, 1);
  model.with(Kind::kLikelihood, "gaussian").standard();
  model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kRelu, 1, hidden, P,
                                            variform::PushforwardTier::kLayers, 4));
  const at::NoGradGuard guard;
  const Tensor w = model.decoder().w_.squeeze(1), kinks = -model.decoder().c_ / w, v = model.decoder().v_;
  REQUIRE((kinks.abs() < 2).sum().item<int64_t>() >= 2);
  const Tensor x = normal({1, P}, 8);
  const Tensor z = at::linspace(-9, 9, 360001, at::kDouble), wide = x.expand({z.size(0), P});
  const auto density = [&](const Tensor& at_z, double variance) {
    return (-0.5 * at_z.square() / variance).exp() / std::sqrt(2 * M_PI * variance);
  };
  const Tensor value = model->nll(wide, model->decode(z.unsqueeze(1), {}), {});
  const Tensor slopes =
      model->pushforward(z.unsqueeze(1), at::ones({1, z.size(0), 1}, at::kDouble), {}).jv.flatten(2)[0];
  const double curvature = integral(density(z, 1) * slopes.square().sum(1), z);  // E[JᵀJ]
  const Tensor residual = x - model->decode(kinks.unsqueeze(1), {}).flatten(1);  // at the kinks, [hidden, P]
  const double predicted =
      -0.5 * (density(kinks, 1) * w.abs() * (v.t() * residual).sum(1)).sum().item<double>();
  REQUIRE(std::abs(predicted) > 0.01);
  double before = 0;
  for (double s : {0.1, 0.05, 0.025}) {
    const double difference =
        integral((density(z, 1 + s * s) - density(z, 1)) * value, z) - 0.5 * s * s * curvature;
    const double off = std::abs(difference / (s * s) - predicted);  // the next order is s²
    CAPTURE(s, difference, predicted);
    CHECK(off < 10 * s * s * std::max(1.0, std::abs(predicted)));
    if (before > 0) CHECK(off < 0.35 * before);
    before = off;
  }
  // Where residuals average out at the kink, the contribution does too: x = g(z_j) ± u, one hidden unit.
  Assembly one(P, 1);
  one.with(Kind::kLikelihood, "gaussian").standard();
  one.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kRelu, 1, 1, P,
                                          variform::PushforwardTier::kLayers, 5));
  const Tensor kink = (-one.decoder().c_ / one.decoder().w_.squeeze(1)).reshape({1, 1}),
               centre = one->decode(kink, {}).flatten(1);
  const Tensor jv =
      one->pushforward(z.unsqueeze(1), at::ones({1, z.size(0), 1}, at::kDouble), {}).jv.flatten(2)[0];
  const double own = integral(density(z, 1) * jv.square().sum(1), z);
  const auto excess = [&](const Tensor& u, double s) {
    const Tensor f = one->nll((centre + u).expand({z.size(0), P}), one->decode(z.unsqueeze(1), {}), {});
    return (integral((density(z, 1 + s * s) - density(z, 1)) * f, z) - 0.5 * s * s * own) / (s * s);
  };
  const Tensor u = normal({1, P}, 9);
  CHECK(std::abs(excess(u, 0.05)) > 0.01);
  CHECK(std::abs(excess(u, 0.05) + excess(-u, 0.05)) < 0.02 * std::abs(excess(u, 0.05)) + 0.01);
}

TEST_CASE("§3: L_β − L_Taylor from antithetic pairs: unbiased, and of several times less variance") {
  const int64_t P = 5, K = 20000;
  for (const std::string id : {"gaussian", "bernoulli"}) {
    CAPTURE(id);
    Assembly model(P, 1);
    model.with(Kind::kLikelihood, id).standard();
    model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, 1, 8, P,
                                              variform::PushforwardTier::kLayers, 6));
    const Tensor x = uniform({1, P}, 5);
    const double s = 0.1;
    Tensor h = at::full({1, 1}, 0.3, at::kDouble).requires_grad_(true);
    const Tensor f = model->nll(x, model->decode(h, {}), {}).sum();
    const Tensor slope = torch::autograd::grad({f}, {h}, {}, true, true)[0],
                 second = torch::autograd::grad({slope.sum()}, {h})[0];
    const double f0 = f.item<double>(), f1 = slope.item<double>(), f2 = second.item<double>();
    const at::NoGradGuard guard;
    const auto rest = [&](const Tensor& delta) {  // F(h+δ) − [F(h) + F'δ + ½F''δ²]
      const Tensor z = (0.3 + delta).unsqueeze(1);
      return model->nll(x.expand({z.size(0), P}), model->decode(z, {}), {}) -
             (f0 + f1 * delta + 0.5 * f2 * delta.square());
    };
    const Tensor grid = at::linspace(-12 * s, 12 * s, 20001, at::kDouble),
                 q = (-0.5 * (grid / s).square()).exp() / std::sqrt(2 * M_PI) / s;
    const double expected = integral(q * rest(grid), grid);
    const Tensor delta = s * normal({K}, 7), pairs = 0.5 * (rest(delta) + rest(-delta));
    const double se = pairs.std().item<double>() / std::sqrt(static_cast<double>(K));
    CHECK(std::abs(pairs.mean().item<double>() - expected) < 4 * se);
    CHECK(std::abs(integral(q * (rest(grid) + f0 + 0.5 * f2 * grid.square()), grid) -
                   (expected + f0 + 0.5 * f2 * s * s)) < 1e-12);
    // At the same number of evaluations, independent draws of the plain difference vary more. (Pairs cancel the odd part
    // of the rest; how much that is depends on F.)
    const Tensor other = s * normal({K, 2}, 8);
    const Tensor z = (0.3 + other).reshape({-1, 1});
    const Tensor plain =
        (model->nll(x.expand({2 * K, P}), model->decode(z, {}), {}) - f0).reshape({K, 2}).mean(1);
    CHECK(plain.var().item<double>() > 5 * pairs.var().item<double>());
  }
}

TEST_CASE(
    "§3: R = ½ tr(HΣ)/(E_q ℓ − ℓ(h)) is 1 where the expansion is exact, and 1 in the limit of small Σ") {
  const int64_t P = 4, d = 2;
  for (const auto shape : {SmallDecoder::Shape::kLinear, SmallDecoder::Shape::kTanh}) {
    Assembly model(P, d);
    model.with(Kind::kLikelihood, "gaussian").standard();
    model.with(std::make_shared<SmallDecoder>(shape, d, 6, P, variform::PushforwardTier::kLayers, 4));
    const at::NoGradGuard guard;
    const Tensor h = normal({1, d}, 6), g = model->decode(h, {});
    const Tensor x = g.flatten(1);  // no residual: Gauss–Newton is all of ∇²F at h
    const Tensor hessian = model->latent_hessian(x, h, model->unit_tangents(1), {}).hessian[0];
    for (double s : {1.0, 0.1, 0.01}) {
      // Gauss–Hermite points of N(0, s²I), 3 a dimension: exact up to fifth order.
      const Tensor nodes = s * at::tensor({-std::sqrt(3.0), 0.0, std::sqrt(3.0)}, at::kDouble),
                   weights = at::tensor({1.0 / 6, 2.0 / 3, 1.0 / 6}, at::kDouble);
      const Tensor delta = at::cartesian_prod({nodes, nodes}),
                   weight = at::cartesian_prod({weights, weights}).prod(1);
      const Tensor z = h + delta;
      const double expected =
          (weight * (model->nll(x.expand({9, P}), model->decode(z, {}), {}) - model->nll(x, g, {})))
              .sum()
              .item<double>();
      const double ratio = 0.5 * s * s * hessian.trace().item<double>() / expected;
      CAPTURE(s, ratio);
      CHECK(std::abs(ratio - 1) < (shape == SmallDecoder::Shape::kLinear ? 1e-11 / s : 10 * s * s + 1e-6));
    }
  }
}

}  // namespace section3
