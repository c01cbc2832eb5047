// §5 of the theory: GRAE, its diagonal bound, and GRAE≈, as the stock objectives compute them.

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace section5 {
namespace {

using variform::Covariance;
using variform::Curvature;
using variform::Kind;
using variform::PushforwardTier;
using variform::Structure;
using variform::Tensor;
using variform::test::Assembly;
using variform::test::error;
using variform::test::gradient_error;
using variform::test::list;
using variform::test::normal;
using variform::test::num;
using variform::test::SmallDecoder;
using variform::test::SmallEncoder;
using variform::test::txt;
using variform::test::uniform;
using variform::test::Values;
using variform::testing::ContainsSubstring;

constexpr int64_t kP = 6, kD = 4, kB = 5;

Assembly assemble(const std::string& likelihood, SmallDecoder::Shape shape, const std::string& objective,
                  const Values& values, PushforwardTier tier = PushforwardTier::kLayers,
                  const Values& prior = {}) {
  Assembly model(kP, kD);
  model.with(Kind::kLikelihood, likelihood,
             likelihood == "gaussian" ? Values{{"variance", num(0.6)}} : Values{});
  model.standard(prior).with(std::make_shared<SmallDecoder>(shape, kD, 8, kP, tier, 21));
  return std::move(model.with(Kind::kObjective, objective, values));
}

const Tensor& data() {
  static const Tensor x = uniform({kB, kP}, 22);
  return x;
}

// The pieces of every closed form here: h, H at h and ℓ(x, g(h)).
struct Pieces {
  Tensor h, hessian, nll;
};
Pieces pieces(Assembly& model) {
  const Tensor h = model->posterior(data(), {})->location();
  const auto [g, hessian] = model->latent_hessian(data(), h, model->unit_tangents(kB), {});
  return {h, hessian, model->nll(data(), g, {})};
}

std::vector<Tensor> trained(Assembly& model) {
  std::vector<Tensor> tensors = model.encoder().parameters();
  for (const Tensor& tensor : model.decoder().parameters()) tensors.push_back(tensor);
  return tensors;
}

// ½ tr(HΣ) + β(KL − ½‖h‖²) + ℓ + (β/2)‖h‖²: L_Taylor for q = N(h, Σ) and the standard normal prior.
Tensor taylor(const Pieces& p, const Tensor& sigma, double beta) {
  const Tensor kl = 0.5 * (sigma.diagonal(0, 1, 2).sum(-1) - static_cast<double>(kD) - at::logdet(sigma));
  return p.nll + 0.5 * (p.hessian * sigma).sum({1, 2}) + beta * (kl + 0.5 * p.h.square().sum(-1));
}

Tensor all_close_distinct(std::vector<Tensor>& found, const Tensor& value) {  // adds value unless it is there
  for (const Tensor& old : found)
    if (error(value, old) < 1e-12) return value;
  found.push_back(value);
  return value;
}

}  // namespace

TEST_CASE("§5: GRAE of a linear decoder is its closed form") {
  const double beta = 0.7;
  for (const std::string likelihood : {"gaussian", "bernoulli"}) {
    Assembly model = assemble(likelihood, SmallDecoder::Shape::kLinear, "grae", {{"beta", num(beta)}});
    const at::NoGradGuard guard;
    const Tensor h = model.encoder().encode(data(), {}), g = model.decoder().decode(h, {}),
                 w = model.decoder().product();
    const Tensor slope =
        likelihood == "gaussian" ? at::full({kB, kP}, 1 / 0.6, at::kDouble) : g.sigmoid() * (1 - g.sigmoid());
    const Tensor hessian = w.t().matmul(slope.unsqueeze(2) * w);  // WᵀH_ℓW
    const Tensor nll =
        likelihood == "gaussian"
            ? (data() - g).square().sum(-1) / 1.2 + 0.5 * static_cast<double>(kP) * std::log(2 * M_PI * 0.6)
            : -(data() * g.sigmoid().log() + (1 - data()) * (1 - g.sigmoid()).log()).sum(-1);
    const Tensor eye = at::eye(kD, at::kDouble), norm = 0.5 * beta * h.square().sum(-1);
    const auto expect = [&](const Values& values, const Tensor& penalty) {
      CHECK(error(assemble(likelihood, SmallDecoder::Shape::kLinear, "grae", values).evaluate(data()).loss,
                  nll + norm + penalty) < 1e-10);
    };
    const Tensor diagonal = hessian.diagonal(0, 1, 2);
    expect({{"beta", num(beta)}}, 0.5 * beta * at::logdet(eye + hessian / beta));
    expect({{"beta", num(beta)}, {"structure", txt("diagonal")}},
           0.5 * beta * (1 + diagonal / beta).log().sum(-1));
    expect({{"beta", num(beta)}, {"structure", txt("isotropic")}},
           0.5 * beta * static_cast<double>(kD) * (1 + diagonal.mean(-1) / beta).log());
    expect({{"beta", num(beta)}, {"structure", txt("block")}, {"block", num(3)}},
           0.5 * beta *
               (at::logdet(eye.narrow(0, 0, 3).narrow(1, 0, 3) +
                           hessian.narrow(1, 0, 3).narrow(2, 0, 3) / beta) +
                (1 + diagonal.select(1, 3) / beta).log()));
    // Parts are the sum, and β = 0 leaves the autoencoder.
    const variform::Terms terms = model.evaluate(data());
    CHECK(error(terms.parts[0].second + terms.parts[1].second + terms.parts[2].second, terms.loss) < 1e-14);
    CHECK(error(model.part(data(), "norm"), norm) < 1e-14);
    expect({{"beta", num(0)}}, at::zeros({kB}, at::kDouble) - norm);
  }
}

TEST_CASE("§5: a Gaussian prior is a change of the latents' coordinates") {
  const Values prior{{"mean", list({0.3, -1, 0, 2})}, {"deviation", list({0.5, 2, 1, 0.8})}};
  const Tensor mean = at::tensor({0.3, -1.0, 0.0, 2.0}, at::kDouble),
               deviation = at::tensor({0.5, 2.0, 1.0, 0.8}, at::kDouble);
  for (const char* structure : {"full", "diagonal", "block"}) {
    const Values values{{"beta", num(0.7)}, {"structure", txt(structure)}, {"block", num(2)}};
    Assembly there =
        assemble("bernoulli", SmallDecoder::Shape::kTanh, "grae", values, PushforwardTier::kLayers, prior);
    Assembly here = assemble("bernoulli", SmallDecoder::Shape::kTanh, "grae", values);
    const at::NoGradGuard guard;  // z' = (z − m)/s, g'(z') = g(m + s z')
    here.decoder().c_ += here.decoder().w_.mv(mean);
    here.decoder().w_ *= deviation;
    here.encoder().e_.copy_((here.encoder().e_ - mean) / deviation);
    here.encoder().c_.div_(deviation.unsqueeze(1));
    CAPTURE(structure);
    CHECK(error(there.evaluate(data()).loss, here.evaluate(data()).loss) < 1e-12);
  }
  // The sampled estimate uses the same coordinates: all columns at once are the diagonal row.
  const Values all{{"beta", num(0.7)}, {"columns", num(kD)}},
      exact{{"beta", num(0.7)}, {"structure", txt("diagonal")}};
  Assembly sampled =
      assemble("bernoulli", SmallDecoder::Shape::kTanh, "grae-approx", all, PushforwardTier::kLayers, prior);
  Assembly diagonal =
      assemble("bernoulli", SmallDecoder::Shape::kTanh, "grae", exact, PushforwardTier::kLayers, prior);
  CHECK(error(sampled.evaluate(data()).loss, diagonal.evaluate(data()).loss) < 1e-13);
}

TEST_CASE("§5: GRAE≈ averaged over all its draws is the diagonal bound, in value and in gradient") {
  for (const std::string likelihood : {"gaussian", "bernoulli"})
    for (int64_t k : {1, 2, 3}) {
      CAPTURE(likelihood, k);
      const double beta = 0.3;
      Assembly bound = assemble(likelihood, SmallDecoder::Shape::kTanh, "grae",
                                {{"beta", num(beta)}, {"structure", txt("diagonal")}});
      Assembly model = assemble(likelihood, SmallDecoder::Shape::kTanh, "grae-approx",
                                {{"beta", num(beta)}, {"columns", num(static_cast<double>(k))}});
      const auto gradient = [](Assembly& m,
                               std::uint64_t seed) {  // of the whole loss, all tensors side by side
        std::vector<Tensor> flat;
        for (const Tensor& g : torch::autograd::grad({m.evaluate(data(), seed).loss.sum()}, trained(m)))
          flat.push_back(g.flatten());
        return at::cat(flat);
      };
      const size_t subsets = k == 2 ? 6 : 4;  // of 4 columns
      std::vector<Tensor> values, gradients;
      std::vector<int> counts(subsets, 0);
      for (std::uint64_t seed = 0; seed < 400; ++seed) {
        const Tensor value = model.part(data(), "penalty", seed).detach();
        const size_t before = values.size();
        all_close_distinct(values, value);
        if (values.size() > before) gradients.push_back(gradient(model, seed));
        REQUIRE(values.size() <= subsets);
        for (size_t i = 0; i < values.size(); ++i)
          if (error(value, values[i]) < 1e-12) ++counts[i];
      }
      REQUIRE(values.size() == subsets);
      CHECK(error(at::stack(values).mean(0), bound.part(data(), "penalty")) < 1e-10);
      const Tensor expected = gradient(bound, 0);
      CHECK(error(at::stack(gradients).mean(0), expected) < 1e-10);
      const double even = 400.0 / static_cast<double>(subsets);  // every draw is equally likely
      for (int count : counts) CHECK(std::abs(count - even) < 5 * std::sqrt(even));
    }
}

TEST_CASE("§5: per-sample columns: each row has its own draw, with the same expectation") {
  const Values values{{"beta", num(0.3)}, {"per_sample", num(1)}};
  Assembly model = assemble("gaussian", SmallDecoder::Shape::kTanh, "grae-approx", values);
  Assembly bound = assemble("gaussian", SmallDecoder::Shape::kTanh, "grae",
                            {{"beta", num(0.3)}, {"structure", txt("diagonal")}});
  const at::NoGradGuard guard;
  const Tensor expected = bound.part(data(), "penalty");
  std::vector<std::vector<Tensor>> seen(kB);  // by row
  int mixed = 0;
  const Tensor diagonal = pieces(model).hessian.diagonal(0, 1, 2);
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Tensor penalty = model.part(data(), "penalty", seed);
    for (int64_t n = 0; n < kB; ++n) all_close_distinct(seen[static_cast<size_t>(n)], penalty[n]);
    const Tensor each = 0.5 * 0.3 * static_cast<double>(kD) * (diagonal / 0.3).log1p();  // [B, d]
    const Tensor column = (each - penalty.unsqueeze(1)).abs().argmin(1);
    if (!at::equal(column, column[0].expand_as(column))) ++mixed;
  }
  CHECK(mixed > 250);  // all five alike: 1 in 256
  for (int64_t n = 0; n < kB; ++n) {
    REQUIRE(seen[static_cast<size_t>(n)].size() == static_cast<size_t>(kD));
    CHECK(error(at::stack(seen[static_cast<size_t>(n)]).mean(), expected[n]) < 1e-10);
  }
}

TEST_CASE("§5: variance of k columns without replacement is (d²/k)(1 − k/d)S²") {
  const double d = static_cast<double>(kD), beta = 0.3;
  Assembly model = assemble("bernoulli", SmallDecoder::Shape::kTanh, "grae", {});
  const at::NoGradGuard guard;
  const Tensor column = 0.5 * beta * (pieces(model).hessian.diagonal(0, 1, 2) / beta).log1p();  // [B, d]
  for (int64_t k : {1, 2}) {
    Assembly sampled = assemble("bernoulli", SmallDecoder::Shape::kTanh, "grae-approx",
                                {{"beta", num(beta)}, {"columns", num(static_cast<double>(k))}});
    std::vector<Tensor> distinct;
    for (std::uint64_t seed = 0; seed < 200; ++seed)
      all_close_distinct(distinct, sampled.part(data(), "penalty", seed));
    const Tensor found = at::stack(distinct).var(0, /*unbiased=*/false);
    const double kk = static_cast<double>(k);
    CHECK(error(found, d * d / kk * (1 - kk / d) * column.var(1, /*unbiased=*/true)) < 1e-10);
  }
}

TEST_CASE(
    "§5: Rademacher probes: the trace is unbiased, its logarithm too low, and never below the full row") {
  const double beta = 0.3, d = static_cast<double>(kD);
  const Values probes{{"beta", num(beta)},
                      {"structure", txt("isotropic")},
                      {"columns", num(1)},
                      {"probes", txt("rademacher")}};
  const auto exact = [&](SmallDecoder::Shape shape, const char* structure) {
    return assemble("bernoulli", shape, "grae", {{"beta", num(beta)}, {"structure", txt(structure)}})
        .part(data(), "penalty");
  };
  Assembly model = assemble("bernoulli", SmallDecoder::Shape::kTanh, "grae-approx", probes);
  const at::NoGradGuard guard;
  std::vector<Tensor> penalties;  // of all signs, up to the one in front
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    all_close_distinct(penalties, model.part(data(), "penalty", seed));
  REQUIRE(penalties.size() == 8);
  const Tensor hessian = pieces(model).hessian, all = at::stack(penalties);  // [8, B]
  const Tensor trace = hessian.diagonal(0, 1, 2).sum(-1);
  const Tensor traces = ((2 / (beta * d) * all).exp() - 1) * (d * beta);
  CHECK(error(traces.mean(0), trace) < 1e-10);
  const Tensor off = hessian.square().sum({1, 2}) - hessian.diagonal(0, 1, 2).square().sum(-1);
  CHECK(error(traces.var(0, /*unbiased=*/false), 2 * off) < 1e-10);
  const Tensor isotropic = exact(SmallDecoder::Shape::kTanh, "isotropic"), expected = all.mean(0);
  CHECK((isotropic - expected).min().item<double>() > 0);
  CHECK((expected - exact(SmallDecoder::Shape::kTanh, "full")).min().item<double>() > 0);
}

TEST_CASE("§5: the bias of Rademacher probes: none where H is diagonal, else to first order as documented") {
  const auto make = [](double beta, SmallDecoder::Shape shape, int columns) {
    Values values{{"beta", num(beta)}, {"structure", txt("isotropic")}, {"columns", num(columns)}};
    if (columns > 0) values["probes"] = txt("rademacher");
    return assemble("gaussian", shape, "grae", values);
  };
  const at::NoGradGuard guard;
  Assembly diagonal = make(0.3, SmallDecoder::Shape::kLinear, 1),
           row = make(0.3, SmallDecoder::Shape::kLinear, 0);
  const Tensor w = at::eye(kP, at::kDouble).narrow(1, 0, kD) * at::tensor({3.0, 1.0, 0.2, 0.0}, at::kDouble);
  diagonal.decoder().set_linear(w);
  row.decoder().set_linear(w);
  CHECK(error(diagonal.part(data(), "penalty", 1), row.part(data(), "penalty")) < 1e-12);

  const double beta = 3000, d = static_cast<double>(kD);
  Assembly probed = make(beta, SmallDecoder::Shape::kTanh, 1),
           exact = make(beta, SmallDecoder::Shape::kTanh, 0);
  std::vector<Tensor> penalties;  // of all signs, up to the one in front
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    all_close_distinct(penalties, probed.part(data(), "penalty", seed));
  REQUIRE(penalties.size() == 8);
  const Tensor hessian = pieces(exact).hessian, trace = hessian.diagonal(0, 1, 2).sum(-1);
  const Tensor off = hessian.square().sum({1, 2}) - hessian.diagonal(0, 1, 2).square().sum(-1);
  const Tensor bias = exact.part(data(), "penalty") - at::stack(penalties).mean(0);
  CHECK(error(bias, 0.5 * beta * d * off / (d * beta + trace).square()) < 0.02);
}

TEST_CASE("§5: L_Taylor − L_GRAE = β KL(N(h, Σ) ‖ N(h, Σ*)), and the bound lies between") {
  const double beta = 0.4;
  for (const std::string likelihood : {"gaussian", "bernoulli"}) {
    Assembly full = assemble(likelihood, SmallDecoder::Shape::kTanh, "grae", {{"beta", num(beta)}});
    Assembly mean_field = assemble(likelihood, SmallDecoder::Shape::kTanh, "grae",
                                   {{"beta", num(beta)}, {"structure", txt("diagonal")}});
    const at::NoGradGuard guard;
    const Pieces p = pieces(full);
    const Tensor grae = full.evaluate(data()).loss, bound = mean_field.evaluate(data()).loss;
    const Tensor a = at::eye(kD, at::kDouble) + p.hessian / beta;
    for (std::uint64_t seed : {1, 2, 3}) {
      const Tensor l = normal({kB, kD, kD}, seed).tril(),
                   sigma = l.bmm(l.transpose(1, 2)) + 0.01 * at::eye(kD, at::kDouble);
      const Tensor kl =
          0.5 * ((a * sigma).sum({1, 2}) - static_cast<double>(kD) - at::logdet(a) - at::logdet(sigma));
      const Tensor level = taylor(p, sigma, beta);
      CHECK(error(level - grae, beta * kl, level.abs()) < 1e-10);
      CHECK((level - grae).min().item<double>() > 0);
      const Tensor diagonal = sigma.diagonal(0, 1, 2), rho = diagonal * a.diagonal(0, 1, 2);
      const Tensor independent = taylor(p, diagonal.diag_embed(), beta);
      CHECK(error(independent - bound, 0.5 * beta * (rho - 1 - rho.log()).sum(-1), independent.abs()) <
            1e-10);
      CHECK((bound - grae).min().item<double>() > 0);
      CHECK((independent - bound).min().item<double>() > 0);
    }
    CHECK(error(taylor(p, a.inverse(), beta), grae) < 1e-12);
  }
}

TEST_CASE("§5: ∇L_GRAE = ∇L_Taylor with Σ = Σ* held constant (envelope identity)") {
  const double beta = 0.4;
  for (const std::string likelihood : {"gaussian", "bernoulli"})
    for (const char* structure : {"full", "diagonal", "block", "isotropic"}) {
      CAPTURE(likelihood, structure);
      Assembly model = assemble(likelihood, SmallDecoder::Shape::kTanh, "grae",
                                {{"beta", num(beta)}, {"structure", txt(structure)}, {"block", num(2)}});
      const Pieces p = pieces(model);
      const Tensor sigma = variform::optimal_covariance(Structure::named(structure, kD, 2),
                                                        p.hessian.detach(), at::full({}, beta, at::kDouble))
                               .dense();
      const std::vector<Tensor> tensors = trained(model);
      const auto left = torch::autograd::grad({model.evaluate(data()).loss.sum()}, tensors);
      const auto right = torch::autograd::grad({taylor(p, sigma, beta).sum()}, tensors);
      for (size_t i = 0; i < tensors.size(); ++i)
        CHECK(error(left[i], right[i], left[i].abs().max()) < 1e-10);
    }
}

TEST_CASE("§5: gradients of the regularizers against central differences of their values, in every tier") {
  for (const PushforwardTier tier :
       {PushforwardTier::kLayers, PushforwardTier::kForwardMode, PushforwardTier::kDoubleBackward})
    for (const std::string likelihood : {"gaussian", "bernoulli"})
      for (const Values& values :
           {Values{{"beta", num(0.4)}, {"structure", txt("full")}},
            Values{{"beta", num(0.4)}, {"structure", txt("diagonal")}},
            Values{{"beta", num(0.4)}, {"structure", txt("block")}, {"block", num(3)}},
            Values{{"beta", num(0.4)}, {"structure", txt("isotropic")}},
            Values{{"beta", num(0.4)}, {"structure", txt("diagonal")}, {"columns", num(1)}},
            Values{{"beta", num(0.4)},
                   {"structure", txt("isotropic")},
                   {"columns", num(2)},
                   {"probes", txt("rademacher")},
                   {"per_sample", num(1)}},
            Values{{"beta", num(0.4)},
                   {"structure", txt("diagonal")},
                   {"columns", num(2)},
                   {"per_sample", num(1)}}}) {
        Assembly model = assemble(likelihood, SmallDecoder::Shape::kTanh, "grae", values, tier);
        CAPTURE(variform::to_string(tier), likelihood, std::get<std::string>(values.at("structure")),
                values.size());
        const Tensor weight = normal({kB}, 31);
        CHECK(gradient_error([&] { return (weight * model.part(data(), "penalty", 3)).sum(); },
                             trained(model)) < 1e-8);
        CHECK(gradient_error([&] { return (weight * model.evaluate(data(), 3).loss).sum(); },
                             trained(model)) < 1e-8);
      }
}

TEST_CASE("§5: the regularizers' gradients with the stock networks") {
  for (const char* activation : {"tanh", "softplus", "silu", "gelu"})
    for (const char* normalisation : {"none", "layer"})
      for (const char* objective : {"grae", "grae-approx"}) {
        CAPTURE(activation, normalisation, objective);
        Assembly model(kP, kD);
        const Values network{
            {"hidden", list({7, 6})}, {"activation", txt(activation)}, {"normalisation", txt(normalisation)}};
        model.with(Kind::kLikelihood, "bernoulli")
            .with(Kind::kPrior, "gaussian")
            .with(Kind::kFamily, "point");
        model.with(Kind::kEncoder, "mlp", network).with(Kind::kDecoder, "mlp", network);
        model.with(Kind::kObjective, objective, {{"beta", num(0.4)}});
        std::vector<Tensor> tensors = model->encoder().parameters();
        for (const Tensor& tensor : model->decoder().parameters()) tensors.push_back(tensor);
        CHECK(gradient_error([&] { return model.part(data(), "penalty", 3).sum(); }, tensors) < 1e-8);
      }
}

TEST_CASE(
    "§5: with a ReLU decoder and Gaussian likelihood the regularizer does not move encoder and hidden biases") {
  Assembly model = assemble("gaussian", SmallDecoder::Shape::kRelu, "grae", {{"beta", num(0.4)}},
                            PushforwardTier::kForwardMode);
  std::vector<Tensor> still = model.encoder().parameters();
  still.push_back(model.decoder().c_);
  still.push_back(model.decoder().b_);
  for (const Tensor& gradient :
       torch::autograd::grad({model.part(data(), "penalty").sum()}, still, {}, {}, false, true))
    if (gradient.defined()) CHECK(gradient.abs().max().item<double>() == 0);
  const Tensor moving = torch::autograd::grad({model.part(data(), "penalty").sum()}, {model.decoder().w_})[0];
  CHECK(moving.abs().max().item<double>() > 0.01);
  // By differences of its value too (no kink within the step): the sampled columns' gradient, of biases as of all else.
  for (const char* objective : {"grae", "grae-approx"}) {
    Assembly again = assemble("gaussian", SmallDecoder::Shape::kRelu, objective, {{"beta", num(0.4)}});
    CHECK(gradient_error([&] { return again.part(data(), "penalty", 3).sum(); }, trained(again)) < 1e-8);
  }
  // With Bernoulli H_ℓ depends on g(h), and so on all of them.
  Assembly other = assemble("bernoulli", SmallDecoder::Shape::kRelu, "grae", {{"beta", num(0.4)}});
  const Tensor encoder =
      torch::autograd::grad({other.part(data(), "penalty").sum()}, {other.encoder().c_})[0];
  CHECK(encoder.abs().max().item<double>() > 1e-4);
}

TEST_CASE("§5: what the objectives cannot do is refused with a sentence") {
  const auto make = [](const Values& values) {
    assemble("gaussian", SmallDecoder::Shape::kTanh, "grae", values);
  };
  CHECK_THROWS_WITH(make({{"columns", num(5)}, {"structure", txt("diagonal")}}),
                    ContainsSubstring("'columns' must not exceed the latent dimension 4; found 5"));
  CHECK_THROWS_WITH(make({{"columns", num(1)}}), ContainsSubstring("estimate the diagonal structure only"));
  CHECK_THROWS_WITH(make({{"structure", txt("block")}}), ContainsSubstring("block size from 1"));
  CHECK_THROWS_WITH(
      make({{"probes", txt("rademacher")}, {"columns", num(1)}, {"structure", txt("diagonal")}}),
      ContainsSubstring("the trace in the isotropic structure") &&
          ContainsSubstring("found structure 'diagonal' and columns = 1"));
  CHECK_THROWS_WITH(make({{"probes", txt("rademacher")}, {"structure", txt("isotropic")}}),
                    ContainsSubstring("columns = 0"));
  Assembly model = assemble("gaussian", SmallDecoder::Shape::kTanh, "grae", {});
  model.with(Kind::kPrior, "laplace");
  CHECK_THROWS_AS(model.evaluate(data()), variform::Unsupported);
  CHECK_THROWS_WITH(model.evaluate(data()),
                    ContainsSubstring("needs a Gaussian prior") && ContainsSubstring("laplace"));
  CHECK(model->objective().uses_tangents());
  CHECK(*model->objective().final_beta() == 1);
}

namespace {

// B random H = JᵀDJ with β from 1e-3 to 1e3, and Σ of random size.
struct Cases {
  Tensor h, beta, sigma;
};
Cases random_cases(int64_t B, int64_t d, std::uint64_t seed) {
  const Tensor j = normal({B, d + 1, d}, seed) * at::pow(10, uniform({B, 1, 1}, seed + 1, -1.5, 1.5));
  const Tensor l = normal({B, d, d}, seed + 2).tril() * at::pow(10, uniform({B, 1, 1}, seed + 3, -1, 1));
  return {j.transpose(1, 2).bmm(j), at::pow(10, uniform({B}, seed + 4, -3, 3)),
          l.bmm(l.transpose(1, 2)) + 0.01 * at::eye(d, at::kDouble)};
}

Tensor kl_from_standard(const Tensor& sigma) {  // KL(N(h, Σ) ‖ N(0, I)) − ½‖h‖²
  return 0.5 * (sigma.diagonal(0, 1, 2).sum(-1) - static_cast<double>(sigma.size(1)) - at::logdet(sigma));
}

Tensor kl_between(const Tensor& sigma, const Tensor& other) {  // KL(N(h, Σ) ‖ N(h, Σ'))
  return 0.5 * (at::linalg_solve(other, sigma).diagonal(0, 1, 2).sum(-1) -
                static_cast<double>(sigma.size(1)) + at::logdet(other) - at::logdet(sigma));
}

Tensor masked(const Tensor& sigma, const Structure& structure) {  // the nearest of the structure
  const int64_t d = sigma.size(1);
  if (structure.tied) return sigma.diagonal(0, 1, 2).mean(-1).reshape({-1, 1, 1}) * at::eye(d, at::kDouble);
  std::vector<Tensor> ones;
  for (int64_t size : structure.blocks) ones.push_back(at::ones({size, size}, at::kDouble));
  return sigma * at::block_diag(ones);
}

}  // namespace

TEST_CASE(
    "§5: L_Taylor − left-over = β KL(N(h, Σ) ‖ N(h, Σ*)) inside every structure, in 10,000 random cases") {
  for (int64_t d : {1, 2, 4, 7}) {
    const Cases c = random_cases(2500, d, static_cast<std::uint64_t>(40 + d));
    std::vector<Structure> all{Structure::full(d), Structure::diagonal(d), Structure::isotropic(d)};
    if (d > 2) all.push_back(Structure{{2, d - 2}});
    for (const Structure& structure : all) {
      CAPTURE(d, structure.name());
      const Tensor sigma = masked(c.sigma, structure);
      const Tensor best = variform::optimal_covariance(structure, c.h, c.beta).dense();
      const Tensor trace = 0.5 * (c.h * sigma).sum({1, 2}),
                   left = variform::curvature_penalty(structure, c.h, c.beta);
      const Tensor taylor = trace + c.beta * kl_from_standard(sigma), kl = c.beta * kl_between(sigma, best);
      const double dd = static_cast<double>(d);
      const Tensor scale =
          at::maximum(at::maximum(trace, 0.5 * c.beta * (sigma.diagonal(0, 1, 2).sum(-1) + dd)),
                      0.5 * c.beta * (at::logdet(sigma).abs() + at::logdet(best).abs()));
      CHECK(error(taylor - left, kl, scale) < 1e-10);
      CHECK(((left - taylor) / scale).max().item<double>() < 1e-10);  // the left-over is the least of all
      // Hence L_GRAE ≤ bound ≤ L_Taylor(diagonal Σ).
      CHECK(((variform::curvature_penalty(Structure::full(d), c.h, c.beta) - left) / scale)
                .max()
                .item<double>() < 1e-10);
      if (structure.name() == "diagonal") {
        const Tensor rho = sigma.diagonal(0, 1, 2) / best.diagonal(0, 1, 2);
        CHECK(error(taylor - left, 0.5 * c.beta * (rho - 1 - rho.log()).sum(-1), scale) < 1e-10);
      }
      // Equality at Σ = Σ*.
      const Tensor there = 0.5 * (c.h * best).sum({1, 2}) + c.beta * kl_from_standard(best);
      CHECK(error(there, left, scale) < 1e-10);
    }
  }
}

TEST_CASE("§5: Hadamard's inequality in 10,000 random cases; equality iff H is diagonal") {
  for (int64_t d : {2, 3, 5, 9}) {
    const Cases c = random_cases(2500, d, static_cast<std::uint64_t>(60 + d));
    const auto sides = [&](const Tensor& h) {
      const Tensor m = h / c.beta.reshape({-1, 1, 1});
      return std::pair(at::logdet(at::eye(d, at::kDouble) + m), m.diagonal(0, 1, 2).log1p().sum(-1));
    };
    const auto [left, right] = sides(c.h);
    CHECK(((left - right) / right).max().item<double>() < 1e-10);
    CHECK(((right - left) / right > 1e-9).to(at::kDouble).mean().item<double>() > 0.99);
    const auto [equal, bound] = sides(masked(c.h, Structure::diagonal(d)));
    CHECK(error(equal, bound, bound.clamp_min(1)) < 1e-13);
  }
}

TEST_CASE("§5: L_GRAE = ℓ + (β/2)‖h‖² + (β/2) log det(I + JᵀH_ℓJ/β), J by autograd, over shapes and β") {
  for (const std::string likelihood : {"gaussian", "bernoulli", "poisson"})
    for (int64_t P : {1, 3, 7})
      for (int64_t d : {1, 2, 5})
        for (double beta : {1e-3, 0.5, 1e3}) {
          CAPTURE(likelihood, P, d, beta);
          Assembly model(P, d);
          model.with(Kind::kLikelihood, likelihood).standard();
          model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, d, 8, P,
                                                    PushforwardTier::kForwardMode, 21));
          model.with(Kind::kObjective, "grae", {{"beta", num(beta)}});
          const Tensor x = uniform({kB, P}, 22).round(), h = model->posterior(x, {})->location().detach();
          const Tensor j = variform::test::jacobian(*model, h), g = model->decode(h, {}).detach(),
                       natural = g.flatten(1);
          const Tensor weight = likelihood == "gaussian"    ? at::ones_like(natural)
                                : likelihood == "bernoulli" ? natural.sigmoid() * (1 - natural.sigmoid())
                                                            : natural.exp();
          // det(I_d + BᵀB/β) = det(I_P + BBᵀ/β), B = H_ℓ^½J: the cheaper one when d > P.
          const Tensor b = weight.sqrt().unsqueeze(2) * j;
          const Tensor small = at::logdet(at::eye(P, at::kDouble) + b.bmm(b.transpose(1, 2)) / beta),
                       large = at::logdet(at::eye(d, at::kDouble) + b.transpose(1, 2).bmm(b) / beta);
          const Tensor nll = model->nll(x, g, {}), norm = 0.5 * beta * h.square().sum(-1);
          const Tensor loss = model.evaluate(x).loss,
                       scale = at::maximum(nll.abs(), at::maximum(norm, at::full({}, beta)));
          CHECK(error(loss, nll + norm + 0.5 * beta * large, scale) < 1e-10);
          CHECK(error(loss, nll + norm + 0.5 * beta * small, scale) < 1e-10);
          if (likelihood == "gaussian") {  // the bound: Σ log(1 + ‖J_i‖²/β)
            model.with(Kind::kObjective, "grae", {{"beta", num(beta)}, {"structure", txt("diagonal")}});
            CHECK(error(model.evaluate(x).loss,
                        nll + norm + 0.5 * beta * (j.square().sum(1) / beta).log1p().sum(-1), scale) < 1e-10);
          }
        }
}

TEST_CASE("§5: categorical logits: H = Jᵀdiag(p)J − (Jᵀp)(Jᵀp)ᵀ") {
  const int64_t P = 4, n = 3, d = 2, B = 5;
  Assembly model(P, d);
  model.with(Kind::kLikelihood, "categorical", {{"classes", num(n)}}).with(Kind::kPrior, "gaussian");
  model.with(Kind::kFamily, "point").with(Kind::kEncoder, "mlp", {{"hidden", list({5})}});
  model.with(Kind::kDecoder, "mlp", {{"hidden", list({6})}, {"activation", txt("tanh")}});
  model.with(Kind::kObjective, "grae", {{"beta", num(0.4)}});
  const Tensor x = at::randint(n, {B, P}, variform::test::generator(4), at::kDouble), z = normal({B, d}, 5);
  const Tensor j = variform::test::jacobian(*model, z).reshape({B, n, P, d}),
               p = model->decode(z, {}).softmax(1).detach();
  Tensor expected = at::zeros({B, d, d}, at::kDouble);
  for (int64_t i = 0; i < P; ++i) {  // one for each data value
    const Tensor ji = j.select(2, i), pi = p.select(2, i).unsqueeze(2), mean = (pi * ji).sum(1, true);
    expected = expected + ji.transpose(1, 2).bmm(pi * ji) - mean.transpose(1, 2).bmm(mean);
  }
  CHECK(error(model->latent_hessian(x, z, model->unit_tangents(B), {}).hessian, expected) < 1e-10);
  const Tensor h = model->posterior(x, {})->location(),
               hessian = model->latent_hessian(x, h, model->unit_tangents(B), {}).hessian;
  CHECK(error(model.part(x, "penalty"), 0.2 * at::logdet(at::eye(d, at::kDouble) + hessian / 0.4)) < 1e-10);
}

TEST_CASE("§5: GRAE≈ costs one Jacobian–vector product of the decoder, whatever d is; GRAE costs d") {
  for (int64_t d : {2, 9}) {
    Assembly model(kP, d);
    model.with(Kind::kLikelihood, "bernoulli").standard();
    model.with(
        std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, d, 8, kP, PushforwardTier::kLayers, 21));
    const auto cost = [&](const char* objective, const Values& values) {
      model.with(Kind::kObjective, objective, values);
      model.decoder().pushes = 0;
      model.decoder().tangents = 0;
      model.evaluate(data());
      CHECK(model.decoder().pushes == 1);
      return model.decoder().tangents;
    };
    CHECK(cost("grae-approx", {}) == 1);
    CHECK(cost("grae-approx", {{"per_sample", num(1)}}) == 1);
    CHECK(cost("grae-approx", {{"columns", num(2)}}) == 2);
    CHECK(cost("grae", {}) == d);
  }
}

TEST_CASE(
    "§5: variance of the batch's mean: d‖c̄‖² with a column per batch, (d/N) mean‖c_n‖² with one per sample") {
  const double d = static_cast<double>(kD), beta = 0.3;
  Assembly model = assemble("bernoulli", SmallDecoder::Shape::kTanh, "grae", {});
  const at::NoGradGuard guard;
  const Tensor column = 0.5 * beta * (pieces(model).hessian.diagonal(0, 1, 2) / beta).log1p();  // [B, d]
  const Tensor centred = column - column.mean(1, true);
  const double shared = d * centred.mean(0).square().sum().item<double>(),
               own = d / static_cast<double>(kB) * centred.square().sum(1).mean().item<double>();
  const Tensor bound = column.sum(1).mean();
  for (double per_sample : {0, 1}) {
    Assembly sampled = assemble("bernoulli", SmallDecoder::Shape::kTanh, "grae-approx",
                                {{"beta", num(beta)}, {"per_sample", num(per_sample)}});
    const int64_t K = 3000;
    std::vector<Tensor> means;
    for (int64_t seed = 0; seed < K; ++seed)
      means.push_back(sampled.part(data(), "penalty", static_cast<std::uint64_t>(seed)).mean());
    const Tensor all = at::stack(means);
    const double expected = per_sample == 1 ? own : shared, found = all.var().item<double>();
    const double kurtosis = (all - all.mean()).pow(4).mean().item<double>() / (found * found);
    CAPTURE(per_sample, expected, found);
    CHECK(std::abs(found / expected - 1) < 5 * std::sqrt((kurtosis - 1) / static_cast<double>(K)));
    CHECK(std::abs((all.mean() - bound).item<double>()) < 5 * std::sqrt(expected / static_cast<double>(K)));
  }
}

TEST_CASE("§5: a single draw of GRAE≈ may fall below L_GRAE, though its mean is never below") {
  const Tensor h = at::tensor({4.0, 0.0, 0.0, 0.01}, at::kDouble).reshape({2, 2}).unsqueeze(0),
               beta = at::full({}, 0.3, at::kDouble);
  const double full = variform::curvature_penalty(Structure::full(2), h, beta).item<double>();
  const Tensor draws = 2 * 0.5 * 0.3 * (h.diagonal(0, 1, 2) / 0.3).log1p();  // (βd/2) log(1 + H_ii/β)
  CHECK(draws.min().item<double>() < full);
  CHECK(draws.mean().item<double>() >= full - 1e-14);
}

TEST_CASE("§5: between L_β and L_Taylor there is no fixed sign") {
  // One latent and one data value: E_q F by quadrature against F(h) + ½ s² F''(h), for a decoder that bends both ways.
  Assembly model(1, 1);
  model.with(Kind::kLikelihood, "gaussian").standard();
  model.with(
      std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, 1, 5, 1, PushforwardTier::kLayers, 21));
  int above = 0, below = 0;
  const double s = 0.5;
  for (int i = 0; i < 20; ++i) {
    const double h = -3 + 0.3 * i;
    const Tensor x = at::full({1, 1}, 0.4, at::kDouble);
    Tensor z = at::full({1, 1}, h, at::kDouble).requires_grad_(true);
    const Tensor f = model->nll(x, model->decode(z, {}), {}).sum(),
                 first = torch::autograd::grad({f}, {z}, {}, true, true)[0];
    const double second = torch::autograd::grad({first.sum()}, {z})[0].item<double>();
    const at::NoGradGuard guard;
    const Tensor grid = at::linspace(-8, 8, 4001, at::kDouble),
                 q = (-0.5 * grid.square()).exp() / std::sqrt(2 * M_PI);
    const Tensor values = model->nll(x.expand({4001, 1}), model->decode((h + s * grid).unsqueeze(1), {}), {});
    const double difference =
        variform::test::integral(q * values, grid) - f.item<double>() - 0.5 * s * s * second;
    above += difference > 1e-4;
    below += difference < -1e-4;
  }
  CHECK(above > 0);
  CHECK(below > 0);
}

TEST_CASE("§5: for Bernoulli, H_ℓ = S(1−S) lets the regularizer fall by saturating the logits") {
  double before = 1e9;
  for (double scale :
       {5.0, 10.0, 20.0, 40.0}) {  // larger weights, smaller penalty; for a Gaussian it only grows
    Assembly model = assemble("bernoulli", SmallDecoder::Shape::kLinear, "grae", {{"beta", num(0.4)}});
    const at::NoGradGuard guard;
    model.decoder().v_.mul_(scale);
    model.decoder().b_.fill_(2 * scale);
    const double now = model.part(data(), "penalty").mean().item<double>();
    CHECK(now < before);
    before = now;
  }
  CHECK(before < 1e-6);
}

TEST_CASE("§5: the log-determinant needs float64: float32 loses it at large β") {
  const Cases c = random_cases(20, 6, 70);
  const Tensor beta = at::full({}, 1e6, at::kDouble);
  const Tensor expected = 0.5 * 1e6 * (at::linalg_eigvalsh(c.h) / 1e6).log1p().sum(-1);
  CHECK(error(variform::curvature_penalty(Structure::full(6), c.h, beta), expected, expected) < 1e-10);
  const Tensor single = (at::eye(6, at::kFloat) + (c.h / 1e6).to(at::kFloat));
  const Tensor naive = 1e6 * at::linalg_cholesky(single).diagonal(0, 1, 2).log().sum(-1).to(at::kDouble);
  CHECK(error(naive, expected, expected) > 1e-3);
}

TEST_CASE("§5: a decoder that mixes the data of a batch is refused by whatever needs its Jacobian") {
  class Mixing final : public variform::With<variform::Decoder, variform::RowsIndependent> {
   public:
    Tensor decode(const Tensor& z, const variform::Context&) override {
      return (z - z.mean(0, true)).repeat({1, 2}).narrow(1, 0, kP).unsqueeze(1);
    }
    bool rows_independent() const override { return false; }
  };
  for (const char* objective : {"grae", "grae-approx", "rae-gp", "taylor"}) {
    CAPTURE(objective);
    Assembly model = assemble("gaussian", SmallDecoder::Shape::kTanh, objective, {});
    if (objective == std::string("taylor")) model.with(Kind::kFamily, "fixed");
    model->set(Kind::kDecoder, std::make_shared<Mixing>(), "mixing decoder");
    CHECK_THROWS_AS(model.evaluate(data()), variform::Unsupported);
    CHECK_THROWS_WITH(model.evaluate(data()), ContainsSubstring("mixing decoder"));
  }
}

}  // namespace section5
