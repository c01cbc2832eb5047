// §2 of the theory: the β-VAE's loss, what its β means, and which divergences are infinite.

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

namespace section2 {
namespace {

using variform::Draw;
using variform::Kind;
using variform::PushforwardTier;
using variform::Tensor;
using variform::test::Assembly;
using variform::test::error;
using variform::test::integral;
using variform::test::minimise;
using variform::test::normal;
using variform::test::num;
using variform::test::rotation;
using variform::test::SmallDecoder;
using variform::test::SmallEncoder;
using variform::test::txt;
using variform::test::uniform;
using variform::test::Values;
using variform::testing::Approx;

Assembly assemble(int64_t P, int64_t d, const std::string& family, const std::string& prior,
                  const std::string& likelihood = "gaussian", const Values& likelihood_values = {},
                  const Values& family_values = {}) {
  Assembly model(P, d);
  model.with(Kind::kLikelihood, likelihood, likelihood_values).with(Kind::kPrior, prior);
  model.with(Kind::kFamily, family, family_values);
  model.with(std::make_shared<SmallEncoder>(false, P, 7, model->family().parameter_count(d), 3));
  return std::move(model.with(
      std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, d, 6, P, PushforwardTier::kLayers, 4)));
}

}  // namespace

TEST_CASE("§2: L_β = E_q ℓ + β KL; β = 1 gives −ELBO, never below −log p(x)") {
  // One latent: every expectation by quadrature, the objective by Monte Carlo.
  for (const std::string prior : {"gaussian", "logistic"})
    for (double beta : {1e-3, 1.0, 1e3}) {
      CAPTURE(prior, beta);
      const int64_t B = 3, P = 4, K = 20000;
      Assembly model = assemble(P, 1, "diagonal", prior, "bernoulli");
      model.with(Kind::kObjective, "beta-vae",
                 {{"beta", num(beta)}, {"samples", num(static_cast<double>(K))}});
      const at::NoGradGuard guard;
      const Tensor x = uniform({B, P}, 5), grid = at::linspace(-30, 30, 40001, at::kDouble);
      const Tensor z = grid.reshape({-1, 1, 1}).expand({-1, B, 1});
      const auto q = model->posterior(x, {});
      const Tensor log_q = q->log_prob({z, {}}), log_p = model->log_prior(z, {}),
                   nll = model->nll(x, model->decode(z, {}), {});  // [n, B]
      const auto mean = [&](const Tensor& values) {                // E_q
        return at::trapezoid((log_q.exp() * values).t(), grid);
      };
      const Tensor expected = mean(nll) + beta * mean(log_q - log_p);
      const Tensor loss = model.evaluate(x, 2).loss;
      const Draw draw = q->rsample(K, model->rng);
      Tensor each = model->nll(x, model->decode(draw.z, {}), {});
      if (!model->has_closed_kl(*q, {}))
        each = each + beta * (q->log_prob(draw) - model->log_prior(draw.z, {}));
      const Tensor standard_error = each.std(0) / std::sqrt(static_cast<double>(K));
      CHECK(((loss - expected).abs() / standard_error).max().item<double>() < 4);
      if (beta == 1.0) {
        const Tensor evidence = at::trapezoid((log_p - nll).exp().t(), grid).log();
        CHECK(error(expected, -mean(log_p - nll - log_q)) < 1e-12);  // −E_q log p(x, z)/q(z|x)
        CHECK((expected + evidence).min().item<double>() > 0);
        // The difference is KL(q ‖ p(z|x)), exactly.
        const Tensor log_posterior = log_p - nll - evidence;
        CHECK(error(expected + evidence, mean(log_q - log_posterior), expected.abs()) < 1e-10);
      }
    }
}

TEST_CASE("§2: where KL is not closed, the Monte Carlo mean of both parts takes the same draws: 0 at q = p") {
  for (const auto& [both, values] :
       {std::pair(std::string("logistic"), Values{{"scale", num(0.7)}}),
        std::pair(std::string("student-t"), Values{{"scale", num(0.7)}, {"df", num(4)}})}) {
    CAPTURE(both);
    Assembly model = assemble(4, 3, both, both, "gaussian", {}, values);
    model.with(Kind::kPrior, both, values);
    const at::NoGradGuard guard;
    const Tensor x = normal({5, 4}, 6);
    auto q = model->posterior(x, {});
    CHECK_FALSE(model->has_closed_kl(*q, {}));
    const Draw draw = q->rsample(50, model->rng);
    const Tensor each = q->log_prob(draw) - model->log_prior(draw.z, {});
    CHECK(error(model->kl(*q, draw, {}), each.mean(0), each.abs().max()) < 1e-13);
    model.encoder().c_.zero_();  // zeros give the family's standard member: the prior
    model.encoder().e_.zero_();
    q = model->posterior(x, {});
    CHECK(model->kl(*q, q->rsample(2, model->rng), {}).abs().max().item<double>() < 1e-14);
  }
}

TEST_CASE("§2: σ²L(β, σ²) = L(βσ², 1) up to constants: β_eff = βσ², draw by draw") {
  const int64_t P = 5, d = 3, B = 4;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const double beta = std::pow(10, uniform({1}, seed, -3, 3).item<double>()),
                 variance = std::pow(10, uniform({1}, seed + 100, -2, 2).item<double>());
    CAPTURE(beta, variance);
    const Tensor x = normal({B, P}, seed + 200);
    const auto level = [&](double b, double v, const char* objective, const char* family) {
      Assembly model = assemble(P, d, family, "gaussian", "gaussian", {{"variance", num(v)}});
      model.with(Kind::kObjective, objective, {{"beta", num(b)}});
      const at::NoGradGuard guard;
      return Tensor(model.evaluate(x, 9).loss - 0.5 * static_cast<double>(P) * std::log(2 * M_PI * v));
    };
    for (const auto& [objective, family] : {std::pair("beta-vae", "full"), std::pair("beta-vae", "diagonal"),
                                            std::pair("taylor", "full"), std::pair("grae", "point")}) {
      const Tensor left = variance * level(beta, variance, objective, family),
                   right = level(beta * variance, 1, objective, family);
      CHECK(error(left, right, right.abs()) < 1e-10);
    }
  }
}

TEST_CASE("§2: code that minimises c‖x − g‖² + b KL has β_eff = b/(2c); with a mean over P values, bP/2") {
  const int64_t P = 6, d = 2, B = 4;
  const Tensor x = normal({B, P}, 11);
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    for (bool mean : {false, true}) {
      const double b = std::pow(10, uniform({1}, seed, -2, 2).item<double>());
      const double c =
          mean ? 1.0 / static_cast<double>(P) : std::pow(10, uniform({1}, seed + 50, -2, 2).item<double>());
      const double beta_eff = mean ? b * static_cast<double>(P) / 2 : b / (2 * c);
      Assembly model = assemble(P, d, "diagonal", "gaussian");
      model.with(Kind::kObjective, "beta-vae", {{"beta", num(beta_eff)}});
      const at::NoGradGuard guard;
      const Tensor ours = model.evaluate(x, 3).loss - 0.5 * static_cast<double>(P) * std::log(2 * M_PI);
      model->rng.set_current_seed(3);
      const auto q = model->posterior(x, {});
      const Draw draw = q->rsample(1, model->rng);
      const Tensor squares = (x - model->data_mean(model->decode(draw.z, {}))[0]).square();
      const Tensor fit = mean ? squares.mean(-1) : c * squares.sum(-1);
      const Tensor theirs = fit + b * model->kl(*q, draw, {});
      CHECK(error(theirs, 2 * c * ours) < 1e-12);
    }
  // Bernoulli: β_eff = β. A variance for each data value, or none at all: not defined.
  CHECK(assemble(P, d, "diagonal", "gaussian", "bernoulli")->likelihood().noise_variance()->item<double>() ==
        1);
  CHECK(assemble(P, d, "diagonal", "gaussian", "gaussian", {{"variance", num(0.3)}})
            ->likelihood()
            .noise_variance()
            ->item<double>() == Approx(0.3));
  CHECK_FALSE(assemble(P, d, "diagonal", "gaussian", "gaussian", {{"per_value", num(1)}})
                  ->likelihood()
                  .noise_variance());
}

TEST_CASE("§2: a learned σ² of probabilistic PCA is Σ_{j>d} λ_j/(P − βd), by minimising from random starts") {
  const int64_t P = 6, d = 2;
  const Tensor lambda = at::tensor({9.0, 5.0, 0.8, 0.5, 0.3, 0.2}, at::kDouble), axes = rotation(P, 11);
  const Tensor points = (axes * (lambda * static_cast<double>(P)).sqrt()).t(), x = at::cat({points, -points});
  for (double beta : {0.1, 1.0, 2.0})
    for (const auto& [objective, family] :
         {std::pair("grae", "point"), std::pair("taylor", "diagonal"), std::pair("taylor", "full")}) {
      CAPTURE(beta, objective, family);
      const double expected = lambda.narrow(0, d, P - d).sum().item<double>() /
                              (static_cast<double>(P) - beta * static_cast<double>(d));
      REQUIRE(lambda[d - 1].item<double>() > beta * expected);  // both latents active
      Assembly model(P, d, 5);
      model.with(Kind::kLikelihood, "gaussian", {{"learned", num(1)}, {"variance", num(2)}});
      model.with(Kind::kPrior, "gaussian").with(Kind::kFamily, family);
      model.with(std::make_shared<SmallEncoder>(true, P, P, model->family().parameter_count(d), 6));
      model.with(
          std::make_shared<SmallDecoder>(SmallDecoder::Shape::kLinear, d, P, P, PushforwardTier::kLayers, 7));
      model.with(Kind::kObjective, objective, {{"beta", num(beta)}});
      {
        const at::NoGradGuard guard;
        model.decoder().v_.copy_(at::eye(P, at::kDouble));
        model.encoder().c_.mul_(0.3);
        model.encoder().c_.slice(0, d).zero_();  // variances that do not depend on x
      }
      std::vector<Tensor> tensors{model.encoder().c_, model.encoder().e_, model.decoder().w_,
                                  model.decoder().b_, model->likelihood().parameters()[0]};
      minimise([&] { return model.evaluate(x).loss.mean(); }, tensors);
      const double found = model->likelihood().noise_variance()->item<double>();
      CHECK(found == Approx(expected).epsilon(1e-6));
      // W Wᵀ has the eigenvalues λ_j − βσ̂².
      const Tensor w = model.decoder().w_.detach(), eig = at::linalg_eigvalsh(w.t().mm(w)).flip(0);
      CHECK(error(eig, lambda.narrow(0, 0, d) - beta * found) < 1e-5);
    }
}

TEST_CASE("§2: infinite KL: what a composition is refused for") {
  // Unbounded q against a uniform prior: draws where the prior has no density.
  {
    Assembly model = assemble(4, 2, "diagonal", "uniform");
    const at::NoGradGuard guard;
    const auto q = model->posterior(normal({3, 4}, 1), {});
    const Draw draw = q->rsample(1000, model->rng);
    CHECK((q->log_prob(draw) - model->log_prior(draw.z, {})).isposinf().any().item<bool>());
    CHECK(model->family().support().low < model->prior().support().low);
    Assembly bounded = assemble(4, 2, "uniform", "uniform");
    CHECK(bounded->family().support().low >= bounded->prior().support().low);
    CHECK(bounded->family().support().high <= bounded->prior().support().high);
  }
  // A Gaussian prior needs two moments; Student-t with ν ≤ 2 has one, and E_q[z²; |z| < R] grows with R without end.
  for (double df : {1.5, 2.0, 3.0}) {
    CAPTURE(df);
    Assembly model = assemble(4, 1, "student-t", "gaussian", "gaussian", {}, {{"df", num(df)}});
    const at::NoGradGuard guard;
    const auto q = model->posterior(normal({1, 4}, 1), {});
    const Tensor u = at::linspace(0, 30, 60001, at::kDouble), z = u.sinh();  // |z| up to 5e12
    const Tensor q_of_z = q->log_prob({z.reshape({-1, 1, 1}), {}}).flatten().exp();
    const Tensor moment = at::cumulative_trapezoid(q_of_z * z.square() * u.cosh(), u);
    const double last = moment[-1].item<double>(), before = moment[-4001].item<double>();
    const bool infinite = model->family().finite_moments() < model->prior().moments_needed();
    CHECK(infinite == (df <= 2));
    CHECK((last > 1.05 * before) == infinite);  // two decades or so further out
    Assembly heavy = assemble(4, 1, "student-t", "student-t", "gaussian", {}, {{"df", num(df)}});
    CHECK(heavy->family().finite_moments() >= heavy->prior().moments_needed());
  }
}

}  // namespace section2
