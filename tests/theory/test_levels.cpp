// Latents in levels: a linear model whose marginal and posterior are Gaussian in closed form, the KL divergence that is
// closed level by level, and gradients at fixed noise.

#include "catch.h"
#include "models.h"

#include <variform/ext/levels.h>

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>
#include <numeric>

namespace variform::test::ladders {  // not in test: files are compiled together
namespace {

constexpr int64_t kP = 5, kRows = 6;
constexpr double kVariance = 0.3;
const at::TensorOptions kDoubles = at::TensorOptions().dtype(at::kDouble);
const double kLogTwoPi = std::log(2 * std::numbers::pi);

using Levels = std::vector<int64_t>;

Value list_of(const Levels& levels) { return list({levels.begin(), levels.end()}); }

// A linear model of levels: every network affine, with scales that do not depend on latents.
Assembly linear_model(const Levels& levels, const std::string& merge) {
  const int64_t d = std::accumulate(levels.begin(), levels.end(), int64_t{0});
  Assembly model(kP, d, 3);
  model.with(Kind::kLikelihood, "gaussian", {{"variance", num(kVariance)}});
  model.with(Kind::kPrior, "ladder", {{"levels", list_of(levels)}, {"hidden", list({})}, {"scale", num(0)}});
  model.with(Kind::kFamily, "ladder",
             {{"levels", list_of(levels)},
              {"hidden", list({})},
              {"scale", num(0)},
              {"context", num(0)},
              {"merge", txt(merge)}});
  model.with(Kind::kDecoder, "linear");
  model.with(std::make_shared<SmallEncoder>(true, kP, kP, model->family().parameter_count(d), 4));
  return std::move(model.with(Kind::kObjective, "beta-vae", {{"beta", num(1)}, {"samples", num(200)}}));
}

Tensor state(Component& component, const std::string& name) {
  return *component.named_parameters().find(name);
}

void disturb(Component& component, std::uint64_t seed, double by = 0.6) {
  const at::NoGradGuard no_grad;
  for (Tensor& parameter : component.parameters())
    parameter.add_(by * normal(parameter.sizes().vec(), seed++));
}

// What is known of such a model: p(z) = N(mean, covariance), p(x), and p(z|x) by the algebra of Gaussians.
struct Known {
  Tensor mean, covariance;         // of z, [d], [d, d]
  Tensor w, b;                     // of the decoder, [P, d], [P]
  Tensor precision, gain, offset;  // of p(z|x): its inverse covariance, and its mean gain (x − offset) + mean

  Known(HostModel& model, const Levels& levels) {
    const int64_t d = model.latent;
    const Tensor from = at::zeros({d, d}, kDoubles), constant = at::zeros({d}, kDoubles),
                 deviation = at::ones({d}, kDoubles);
    int64_t first = 0;
    for (size_t l = 0; l + 1 < levels.size(); ++l) {
      const std::string number = std::to_string(l);
      const int64_t end = first + levels[l];
      from.slice(0, first, end).slice(1, end).copy_(state(model.prior(), "network" + number + ".0.weight"));
      constant.slice(0, first, end).copy_(state(model.prior(), "network" + number + ".0.bias"));
      deviation.slice(0, first, end).copy_(state(model.prior(), "log_scale" + number).exp());
      first = end;
    }
    const Tensor solve = (at::eye(d, kDoubles) - from).inverse(), root = solve * deviation;
    mean = solve.mv(constant);
    covariance = root.mm(root.t());
    w = state(model.decoder(), "network.0.weight").detach();
    b = state(model.decoder(), "network.0.bias").detach();
    precision = covariance.inverse() + w.t().mm(w) / kVariance;
    gain = precision.inverse().mm(w.t()) / kVariance;
    offset = b + w.mv(mean);
  }
  Tensor log_density_of_data(const Tensor& x) const {
    return log_normal(x, offset, w.mm(covariance).mm(w.t()) + kVariance * at::eye(kP, kDoubles));
  }
  static Tensor log_normal(const Tensor& at, const Tensor& mean, const Tensor& covariance) {
    const Tensor off = at - mean;
    return -0.5 * ((off.matmul(covariance.inverse()) * off).sum(-1) + at::logdet(covariance) +
                   static_cast<double>(off.size(-1)) * kLogTwoPi);
  }
};

// Sets encoder and family to p(z|x): each level given the next ones, by conditioning a Gaussian. With merge = "precision"
// only the last level, and what x alone says of the others, for a decoder that depends on the first level only.
void set_posterior(Assembly& model, const Levels& levels, const Known& known, bool merged) {
  const at::NoGradGuard no_grad;
  const int64_t d = model->latent;
  const double factor = model->family().named_buffers()["coupling"].item<double>();
  Tensor rest = known.precision;
  Tensor &c = model.encoder().c_, &e = model.encoder().e_;  // [2d, P], [2d]
  int64_t first = 0;
  for (size_t l = 0; l < levels.size(); ++l) {
    const int64_t size = levels[l], end = first + size;
    const Tensor own = rest.slice(0, 0, size).slice(1, 0, size);
    REQUIRE(error(own.diagonal().diag(), own) < 1e-12);  // else p(z|x) is not in the family
    const Tensor pull = own.inverse().mm(rest.slice(0, 0, size).slice(1, size));
    Tensor gain = known.gain.slice(0, first, end) + pull.mm(known.gain.slice(0, end));
    Tensor centre = known.mean.slice(0, first, end) + pull.mv(known.mean.slice(0, end));
    Tensor variance = own.diagonal().reciprocal();
    const bool last = l + 1 == levels.size();
    if (merged && !last) {  // the likelihood of the level, up to a factor
      const Tensor part = known.w.slice(1, first, end), squares = part.t().mm(part);
      gain = squares.inverse().mm(part.t());
      centre = gain.mv(known.offset - known.b);
      variance = kVariance / squares.diagonal();
    }
    c.slice(0, first, end).copy_(gain);
    e.slice(0, first, end).copy_(centre - gain.mv(known.offset));
    c.slice(0, d + first, d + end).zero_();
    e.slice(0, d + first, d + end).copy_(variance.log());
    if (!last) {
      state(model->family(), "network" + std::to_string(l) + ".0.bias").zero_();
      const Tensor weight = state(model->family(), "network" + std::to_string(l) + ".0.weight");
      if (merged) weight.zero_();
      else weight.copy_(-pull / factor);
    }
    rest = rest.slice(0, size).slice(1, size) - rest.slice(0, size).slice(1, 0, size).mm(pull);
    first = end;
  }
}

Assembly exact_model(const Levels& levels, const std::string& merge) {
  Assembly model = linear_model(levels, merge);
  disturb(model->prior(), 20);
  disturb(model->decoder(), 30);
  const at::NoGradGuard no_grad;
  const Tensor w = state(model->decoder(), "network.0.weight");
  // Orthogonal columns: the first level is then independent, given x and the next one.
  w.slice(1, 0, levels[0]).copy_(rotation(kP, 7).slice(1, 0, levels[0]) * uniform({levels[0]}, 8, 0.5, 2));
  if (merge == "precision") w.slice(1, levels[0]).zero_();
  set_posterior(model, levels, Known(*model, levels), merge == "precision");
  return model;
}

TEST_CASE("the prior of affine levels is the Gaussian that conditioning gives") {
  for (const Levels& levels : {Levels{2, 1}, Levels{1, 1, 1}, Levels{3}}) {
    Assembly model = linear_model(levels, "sum");
    const Tensor z = normal({4, kRows, 3}, 5);
    const Tensor standard = -0.5 * (z.square() + kLogTwoPi).sum(-1);
    CHECK(error(model->log_prior(z, {}), standard) < 1e-14);  // where it starts
    disturb(model->prior(), 20);
    const Known known(*model, levels);
    CHECK(error(model->log_prior(z, {}), Known::log_normal(z, known.mean, known.covariance)) < 1e-12);
    CHECK(error(model->log_prior(z[0][0], {}), model->log_prior(z, {})[0][0]) < 1e-14);
    const at::NoGradGuard no_grad;
    const int64_t n = 200000;
    const Tensor draws = model->sample_prior(n, {}), away = draws - known.mean;
    const Tensor products = away.unsqueeze(1) * away.unsqueeze(2);
    const double root = std::sqrt(static_cast<double>(n));
    CHECK((away.mean(0) * root / away.std(0)).abs().max().item<double>() < 4);
    CHECK(((products.mean(0) - known.covariance) * root / products.std(0)).abs().max().item<double>() < 4.5);
  }
}

TEST_CASE("the exact posterior of a linear model of levels is in the family: every weight is p(x)") {
  const Tensor x = 2 * normal({kRows, kP}, 5);
  const auto [levels, merge] = GENERATE(
      std::pair<Levels, std::string>{{2, 1}, "sum"}, std::pair<Levels, std::string>{{2, 1}, "precision"},
      std::pair<Levels, std::string>{{1, 1, 1}, "sum"}, std::pair<Levels, std::string>{{1, 1, 1, 1}, "sum"});
  INFO(merge);
  Assembly model = exact_model(levels, merge);
  const Known known(*model, levels);
  const Tensor expected = known.log_density_of_data(x);
  const auto q = model->posterior(x, {});
  const Draw draw = q->rsample(7, model->rng);
  const auto weight = [&](const Draw& at) {
    return model->log_prior(at.z, {}) - model->nll(x, model->decode(at.z, {}), {}) - q->log_prob(at);
  };
  CHECK(error(weight(draw), expected.expand({7, kRows})) < 1e-10);
  CHECK(error(weight({draw.z, {}}), expected.expand({7, kRows})) < 1e-10);
  CHECK(error(q->location(), (x - known.offset).mm(known.gain.t()) + known.mean) < 1e-10);
  // The expectation of the negative ELBO is −log p(x) then; that of the KL divergence is the formula of two Gaussians.
  const at::NoGradGuard no_grad;
  const Draw many = q->rsample(20000, model->rng);
  const Tensor kl = *partly_closed_kl(model->prior(), *q, many, {}), away = q->location() - known.mean,
               inverse = known.covariance.inverse(), sigma = known.precision.inverse();
  const Tensor formula =
      0.5 * ((inverse * sigma).sum() + (away.mm(inverse) * away).sum(1) - static_cast<double>(model->latent) +
             at::logdet(known.covariance) - at::logdet(sigma));
  const Tensor standard_error = (kl.std(0) / std::sqrt(20000.0)).clamp_min(1e-12);
  CHECK(((kl.mean(0) - formula).abs() / standard_error).max().item<double>() < 4);
}

TEST_CASE("a linear model of two levels, trained for a short while, is probabilistic PCA to 0.5 %") {
  const std::string merge = GENERATE("sum", "precision");
  INFO(merge);
  const Levels levels{2, 1};
  const int64_t n = 150;
  const Tensor x = normal({n, 3}, 5).mm(normal({3, kP}, 6)) + std::sqrt(kVariance) * normal({n, kP}, 7);
  Assembly model = linear_model(levels, merge);
  std::vector<Tensor> all;
  for (Kind kind : {Kind::kEncoder, Kind::kDecoder, Kind::kFamily, Kind::kPrior})
    for (const Tensor& parameter : model->component(kind)->parameters()) all.push_back(parameter);
  minimise([&] { return model.evaluate(x).loss.mean(); }, all, 60);
  // Tipping and Bishop 1999 for a given variance: the largest eigenvalues are met, the others are the noise's.
  const Tensor off = x - x.mean(0), eigenvalues = at::linalg_eigvalsh(off.t().mm(off) / n).flip(0);
  const Tensor met =
      at::cat({eigenvalues.slice(0, 0, 3).clamp_min(kVariance), at::full({kP - 3}, kVariance, kDoubles)});
  const double best =
      0.5 *
      ((eigenvalues / met).sum() + met.log().sum() + static_cast<double>(kP) * kLogTwoPi).item<double>();
  const at::NoGradGuard no_grad;
  const double found = model.evaluate(x, 99).loss.mean().item<double>();
  CAPTURE(found, best);
  CHECK(found > best * (1 - 1e-3));
  CHECK(found < best * 1.005);
  CHECK(error(-Known(*model, levels).log_density_of_data(x).mean(), at::full({}, best, kDoubles)) < 0.005);
}

// A model of levels with networks of a hidden layer, away from where it starts.
Assembly bent_model(const std::string& prior, const std::string& family, const Values& more = {}) {
  const int64_t d = 4;
  Assembly model(kP, d, 3);
  const Values networks{{"hidden", list({5})}, {"activation", txt("tanh")}};
  model.with(Kind::kLikelihood, "gaussian", {{"variance", num(kVariance)}});
  Values own = networks;
  own.insert(more.begin(), more.end());
  model.with(Kind::kPrior, prior, prior == "ladder" ? networks : Values{});
  model.with(Kind::kFamily, family, family == "ladder" ? own : Values{});
  model.with(std::make_shared<SmallEncoder>(false, kP, 7, model->family().parameter_count(d), 13));
  model.with(
      std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, d, 8, kP, PushforwardTier::kLayers, 14));
  model.with(Kind::kObjective, "beta-vae", {{"beta", num(0.7)}, {"samples", num(3)}});
  disturb(model->prior(), 40);
  for (Tensor& parameter : model->family().parameters()) {
    const at::NoGradGuard no_grad;
    parameter.mul_(5);
  }
  return model;
}

TEST_CASE("gradients of a model of levels are those of its loss at fixed noise") {
  const Tensor x = normal({kRows, kP}, 5);
  for (const Values& more : {Values{}, Values{{"merge", txt("precision")}}, Values{{"scale", num(0)}},
                             Values{{"levels", list({1, 2, 1})}}}) {
    Assembly model = bent_model("ladder", "ladder", more);
    std::vector<Tensor> all;
    for (Kind kind : {Kind::kEncoder, Kind::kDecoder, Kind::kFamily, Kind::kPrior})
      for (const Tensor& parameter : model->component(kind)->parameters()) all.push_back(parameter);
    CHECK(gradient_error([&] { return model.evaluate(x).loss.mean(); }, all) < 1e-7);
  }
}

TEST_CASE("a KL divergence closed level by level has the mean of log q − log p, and a smaller variance") {
  const Tensor x = normal({kRows, kP}, 5);
  const int64_t K = 40000;
  const at::NoGradGuard no_grad;
  const auto [prior, family] = GENERATE(std::pair{"ladder", "ladder"}, std::pair{"ladder", "diagonal"},
                                        std::pair{"gaussian", "ladder"});
  CAPTURE(prior, family);
  Assembly model = bent_model(prior, family);
  const auto q = model->posterior(x, {});
  CHECK_FALSE(model->has_closed_kl(*q, {}));
  const Draw draw = q->rsample(K, model->rng);
  const Tensor ratio = q->log_prob(draw) - model->log_prior(draw.z, {});
  const Tensor closed = *partly_closed_kl(model->prior(), *q, draw, {});
  CHECK(error(model->kl(*q, draw, {}), closed.mean(0)) < 1e-12);
  const Tensor difference = ratio - closed,
               standard_error = difference.std(0) / std::sqrt(static_cast<double>(K));
  CHECK((difference.mean(0).abs() / standard_error).max().item<double>() < 4);
  const double left = (closed.var(0) / ratio.var(0)).max().item<double>();
  CAPTURE(left);
  CHECK(left < 0.9);
  CHECK(closed.min().item<double>() >
        -1e-12);  // a sum of divergences; a draw's log-ratio may have either sign
  CHECK(ratio.min().item<double>() < 0);
}

TEST_CASE("levels of a posterior that do not make up those of the prior leave KL to draws") {
  const Tensor x = normal({kRows, kP}, 5);
  const at::NoGradGuard no_grad;
  const auto found = [&](const Values& values) {
    Assembly model = bent_model("ladder", "ladder", values);  // the prior's are [2, 2]
    const auto q = model->posterior(x, {});
    const Draw draw = q->rsample(3, model->rng);
    const auto kl = partly_closed_kl(model->prior(), *q, draw, {});
    if (!kl) {
      const Tensor ratio = q->log_prob(draw) - model->log_prior(draw.z, {});
      CHECK(error(model->kl(*q, draw, {}), ratio.mean(0)) < 1e-12);
    }
    return kl.has_value();
  };
  CHECK(found({{"levels", list({2, 2})}}));
  CHECK(found({{"levels", list({1, 1, 2})}}));
  CHECK_FALSE(found({{"levels", list({1, 3})}}));
  CHECK_FALSE(found({{"levels", list({4})}}));
}

TEST_CASE("a merge with a prior of other levels, and levels that do not add up, are refused") {
  const Tensor x = normal({kRows, kP}, 5);
  const Values merge{{"merge", txt("precision")}};
  CHECK_THROWS_WITH(bent_model("gaussian", "ladder", merge)->posterior(x, {}),
                    testing::ContainsSubstring("found one without levels"));
  CHECK_THROWS_WITH(bent_model("ladder", "ladder", {{"merge", txt("precision")}, {"levels", list({3, 1})}})
                        ->posterior(x, {}),
                    testing::ContainsSubstring("found one of other levels"));
  Assembly model(kP, 4);
  CHECK_THROWS_WITH(model.with(Kind::kPrior, "ladder", {{"levels", list({3, 2})}}),
                    testing::ContainsSubstring("must add up to the latent dimension 4; found 5"));
}

}  // namespace
}  // namespace variform::test::ladders
