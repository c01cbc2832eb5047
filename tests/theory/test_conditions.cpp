// Conditional models: probabilistic PCA with a condition, whose likelihood is known, and Jacobians at a fixed condition.

#include "catch.h"
#include "models.h"

#include <variform/ext/condition.h>
#include <variform/ext/prior.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <numbers>

namespace variform::test {
namespace {

constexpr int64_t kP = 5, kD = 2, kC = 3, kRows = 6;
constexpr double kVariance = 0.3;

// The moments of x given the condition in a linear model, and the posterior mean of z, for a Gaussian p(z|u).
struct ConditionalPca {
  Tensor weight, bias;     // [P, d + c], [P]
  Tensor mean, deviation;  // of p(z|u), [B, d]

  Tensor w() const { return weight.narrow(1, 0, kD); }
  Tensor centre(const Tensor& condition) const {  // of x at z = 0
    return condition.mm(weight.narrow(1, kD, kC).t()) + bias;
  }
  // −log p(x|c) [B].
  Tensor nll(const Tensor& x, const Tensor& condition) const {
    const Tensor ws = w().unsqueeze(0) * deviation.unsqueeze(1);  // [B, P, d]
    const Tensor covariance = ws.bmm(ws.transpose(1, 2)) + kVariance * at::eye(kP, x.options());
    const Tensor off = x - centre(condition) - mean.mm(w().t());
    const Tensor solved = at::linalg_solve(covariance, off.unsqueeze(-1)).squeeze(-1);
    return 0.5 * ((off * solved).sum(1) + std::get<1>(at::linalg_slogdet(covariance)) +
                  static_cast<double>(kP) * std::log(2 * std::numbers::pi));
  }
  Tensor posterior_mean(const Tensor& x, const Tensor& condition) const {
    const Tensor precision =
        w().t().mm(w()) / kVariance + deviation.square().reciprocal().diag_embed();  // [B, d, d]
    const Tensor pull = (x - centre(condition)).mm(w()) / kVariance + mean / deviation.square();
    return at::linalg_solve(precision, pull.unsqueeze(-1)).squeeze(-1);
  }
};

// An encoder that gives the exact posterior mean, by a formula of x and the context.
class Exact final : public Encoder {
 public:
  std::function<Tensor(const Tensor& x, const Context& context)> mean;
  Tensor encode(const Tensor& x, const Context& context) override { return mean(x, context); }
};

struct Conditioned final {
  Assembly model{kP, kD, 3, kC};
  Tensor x = normal({kRows, kP}, 5);
  Context context{.condition = normal({kRows, kC}, 6)};

  explicit Conditioned(const std::string& prior, const std::string& objective = "grae",
                       const Values& values = {}) {
    model.with(Kind::kLikelihood, "gaussian", {{"variance", num(kVariance)}});
    model.with(Kind::kPrior, prior, prior == "conditional" ? Values{{"hidden", list({4})}} : Values{});
    const at::NoGradGuard no_grad;
    for (Tensor& parameter : model->prior().parameters())
      parameter.add_(0.4 * normal(parameter.sizes().vec(), 9));
    model.with(Kind::kFamily, "point");
    model.with(Kind::kDecoder, "linear", {{"condition", num(1)}});
    const auto encoder = std::make_shared<Exact>();
    encoder->mean = [this](const Tensor& rows, const Context& own) {
      return exact(own).posterior_mean(rows, own.condition).detach();
    };
    model->set(Kind::kEncoder, encoder, "exact");
    model.with(Kind::kObjective, objective, values);
  }
  ConditionalPca exact(const Context& own) {
    const auto state = model->decoder().named_parameters();
    const Gaussian prior = *model->prior().gaussian(own);
    const Tensor mean = prior.mean.expand({own.condition.size(0), kD});
    return {*state.find("network.0.weight"), *state.find("network.0.bias"), mean,
            prior.covariance.variances().sqrt().expand_as(mean)};
  }
};

TEST_CASE("GRAE of a linear conditional model at β = 1 is its conditional likelihood") {
  for (const char* prior : {"gaussian", "conditional"}) {
    INFO(prior);
    Conditioned made(prior, "grae", {{"beta", num(1)}, {"structure", txt("full")}});
    const Batch batch{made.x, made.context, kRows};
    const Tensor loss = made.model->evaluate(batch).loss,
                 expected = made.exact(made.context).nll(made.x, made.context.condition);
    CHECK(error(loss, expected) < 1e-12);
    // The gradient in the decoder's weights, those of the condition among them: the posterior mean is optimal.
    const Tensor weight = *made.model->decoder().named_parameters().find("network.0.weight");
    const Tensor found = torch::autograd::grad({loss.sum()}, {weight})[0],
                 known = torch::autograd::grad({expected.sum()}, {weight})[0];
    CHECK(error(found, known) < 1e-10);
    // Another row's condition is another model.
    Batch swapped = batch;
    swapped.context.condition = made.context.condition.flip(0);
    CHECK(error(made.model->evaluate(swapped).loss, expected) > 1e-3);
  }
}

TEST_CASE("the bounds of GRAE hold for a conditional model, and H is that of the latents alone") {
  Conditioned made("gaussian", "grae", {{"beta", num(0.5)}, {"structure", txt("diagonal")}});
  const Batch batch{made.x, made.context, kRows};
  const Tensor diagonal = made.model->evaluate(batch).loss;
  made.model.with(Kind::kObjective, "grae", {{"beta", num(0.5)}, {"structure", txt("full")}});
  CHECK((diagonal - made.model->evaluate(batch).loss).min().item<double>() > 0);
  const Tensor z = normal({kRows, kD}, 7), w = made.exact(made.context).w();
  const Tensor hessian =
      made.model->latent_hessian(made.x, z, made.model->unit_tangents(kRows), made.context).hessian;
  CHECK(error(hessian, (w.t().mm(w) / kVariance).expand({kRows, kD, kD})) < 1e-12);
}

TEST_CASE("a conditional decoder's pushforward is that of its latents at a fixed condition") {
  Assembly model(kP, kD, 3, kC);
  model.with(Kind::kLikelihood, "gaussian");
  model.with(Kind::kDecoder, "mlp",
             {{"hidden", list({7, 6})}, {"activation", txt("tanh")}, {"condition", num(1)}});
  Decoder& decoder = model->decoder();
  const Tensor z = normal({kRows, kD}, 8), v = normal({3, kRows, kD}, 9);
  const Context context{.condition = normal({kRows, kC}, 10)};
  const Pushed pushed = decoder.pushforward(z, v, context);
  CHECK(error(pushed.g, decoder.decode(z, context)) < 1e-14);
  const double step = 1e-6;
  for (int64_t t = 0; t < 3; ++t)
    CHECK(error(pushed.jv[t],
                (decoder.decode(z + step * v[t], context) - decoder.decode(z - step * v[t], context)) /
                    (2 * step)) < 1e-8);
  CHECK(error(pushed.jv, pushforward_double_backward(decoder, z, v, context).jv) < 1e-12);
  CHECK(error(decoder.pullback_metric(z, v, context).metric, inner_products(pushed.jv)) < 1e-12);
  const Tensor unit = model->unit_tangents(kRows);  // the same for all rows: stride 0
  CHECK(error(decoder.pushforward(z, unit, context).jv,
              decoder.pushforward(z, unit.contiguous(), context).jv) < 1e-14);
  const auto value = [&] { return decoder.pushforward(z, v, context).jv.square().sum(); };
  CHECK(gradient_error(value, decoder.parameters()) < 1e-7);
}

TEST_CASE("the conditional prior is its base at the start, and Gaussian or Laplace at every condition") {
  const Context context{.condition = normal({kRows, kC}, 11)};
  const Tensor z = normal({2, kRows, kD}, 12);
  for (const char* base : {"gaussian", "laplace"}) {
    INFO(base);
    Assembly model(kP, kD, 3, kC);
    model.with(Kind::kPrior, "conditional", {{"base", txt(base)}, {"hidden", list({4})}});
    Prior& prior = model->prior();
    Assembly plain(kP, kD);
    plain.with(Kind::kPrior, base);
    CHECK(error(prior.log_prob(z, context), plain->prior().log_prob(z, {})) < 1e-14);
    CHECK(is_conditioned(prior));
    const at::NoGradGuard no_grad;
    for (Tensor& parameter : prior.parameters()) parameter.add_(0.5 * normal(parameter.sizes().vec(), 13));
    // z = m + s e has the density of e at e, less log s: m and s from draws of one condition.
    const int64_t n = 40000;
    Generator rng = generator(14);
    const Context one = context.rows(0, 1).repeated(n);
    const Tensor draws = prior.sample(n, rng, one), mean = draws.mean(0), deviation = draws.std(0);
    const Tensor e = (z.select(1, 0) - mean) / deviation;
    const Tensor expected = plain->prior().log_prob(e, {}) - deviation.log().sum();
    CHECK(error(prior.log_prob(z, context).select(1, 0), expected) < 0.03);
    CHECK(error(prior.log_prob(z, context).select(1, 1), expected) > 0.1);
  }
}

TEST_CASE("the conditional prior of classes may start with locations and scales drawn within bounds") {
  constexpr int64_t kClasses = 400;
  const auto made = [&](const Values& more) {
    Values values = more;
    values.try_emplace("hidden", list({}));
    Assembly model(kP, kD, 3, kClasses);
    model.with(Kind::kPrior, "conditional", values);
    return model;
  };
  const Context all{.condition = at::eye(kClasses, at::kDouble)};
  Assembly model = made({{"start_location", list({-5, 5})}, {"start_scale", list({0.5, 3})}});
  const at::NoGradGuard no_grad;
  const Gaussian prior = *model->prior().gaussian(all);
  const Tensor scale = prior.covariance.variances().sqrt();
  // Uniform on [a, b]: the first two moments, with 800 draws each; and the bounds.
  const auto check = [](const Tensor& drawn, double low, double high) {
    const double width = high - low, error = width / std::sqrt(12.0 * 800);
    CHECK(drawn.min().item<double>() >= low);
    CHECK(drawn.max().item<double>() <= high);
    CHECK(drawn.max().item<double>() - drawn.min().item<double>() > 0.97 * width);
    CHECK(std::abs(drawn.mean().item<double>() - 0.5 * (low + high)) < 4 * error);
    CHECK(std::abs(drawn.var().item<double>() / (width * width / 12) - 1) < 0.15);
  };
  check(prior.mean, -5, 5);
  check(scale, 0.5, 3);
  Assembly fixed = made({{"location", num(0)}, {"start_scale", list({0.5, 3})}});
  CHECK(fixed->prior().gaussian(all)->mean.abs().max().item<double>() == 0);
  CHECK_THROWS_WITH(made({{"start_location", list({1, -1})}}),
                    testing::ContainsSubstring("start_location expects two numbers, the lower one first"));
  CHECK_THROWS_WITH(made({{"location", num(0)}, {"start_location", list({-1, 1})}}),
                    testing::ContainsSubstring("no meaning with location = false"));
  CHECK_THROWS_WITH(made({{"hidden", list({4})}, {"start_scale", list({0.5, 3})}}),
                    testing::ContainsSubstring("expects hidden = []"));
}

TEST_CASE("a condition that is missing, or of another size, is named") {
  Conditioned made("gaussian", "grae", {{"beta", num(1)}});
  CHECK_THROWS_WITH(
      made.model->decode(normal({2, kD}, 1), {}),
      testing::ContainsSubstring("expected a condition of shape [2, 3] in the context; found none"));
  CHECK_THROWS_WITH(made.model->decode(normal({2, kD}, 1), {.condition = normal({2, 1}, 1)}),
                    testing::ContainsSubstring("found [2, 1]"));
  Assembly plain(kP, kD);
  plain.with(Kind::kLikelihood, "gaussian");
  CHECK_THROWS_WITH(plain.with(Kind::kDecoder, "linear", {{"condition", num(1)}}),
                    testing::ContainsSubstring("condition = \"labels\""));
}

}  // namespace
}  // namespace variform::test
