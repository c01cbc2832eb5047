// The gradient of every stock objective against central differences of its value, through encoder, decoder, family, prior
// and likelihood: what the optimizer follows is what the loss says. Objectives that play a game are taken part by part.

#include "catch.h"
#include "models.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

namespace gradients_test {
namespace {

using variform::Kind;
using variform::Tensor;
using variform::Terms;
using variform::test::Assembly;
using variform::test::list;
using variform::test::normal;
using variform::test::num;
using variform::test::txt;
using variform::test::uniform;
using variform::test::Values;

constexpr int64_t kP = 5, kD = 3, kB = 4;

struct Choice {
  std::string id;
  Values values;
};
struct Row {
  Choice objective, family, prior, likelihood;
};

// What has parameters of its own to train, wherever the slot offers it.
const Choice kRotated{"rotated", {{"learned", num(1)}, {"angle", num(20)}}},
    kIaf{"iaf", {{"hidden", num(4)}}}, kPoint{"point", {}}, kDiagonal{"diagonal", {}};
const Choice kLearned{
    "gaussian", {{"learned", num(1)}, {"mean", list({0.2, -0.3, 0.1})}, {"deviation", list({0.8, 1, 1.3})}}};
const Choice kCorrelated{
    "gaussian", {{"learned", num(1)}, {"covariance", list({1.2, 0.3, 0, 0.3, 0.9, -0.2, 0, -0.2, 1.1})}}};
const Choice kMixture{"mixture", {{"learned", num(1)}, {"components", num(3)}}},
    kRealNvp{"flow", {{"layers", num(2)}, {"hidden", list({4})}}}, kVamp{"vamp", {{"pseudo_inputs", num(3)}}};
const Choice kVariance{"gaussian", {{"learned", num(1)}, {"variance", num(0.4)}}},
    kVariances{"gaussian", {{"learned", num(1)}, {"per_value", num(1)}}};

Values with(Values values, const std::string& key, const variform::test::Value& value) {
  values[key] = value;
  return values;
}

std::vector<Row> rows() {
  const Values beta{{"beta", num(0.4)}};
  std::vector<Row> all{
      {{"beta-vae", with(beta, "samples", num(2))}, kRotated, kMixture, kVariance},
      {{"beta-vae", beta}, kIaf, kRealNvp, {"student-t", {}}},
      {{"beta-vae", beta}, {"block", {{"size", num(2)}}}, kVamp, {"laplace", {}}},
      {{"beta-vae", with(beta, "capacity", num(3))}, {"low-rank", {}}, kCorrelated, {"logistic", {}}},
      {{"beta-vae", with(beta, "free", num(0.1))}, {"student-t", {}}, {"student-t", {}}, kVariances},
      {{"beta-vae", beta}, {"optimal", {}}, kLearned, {"bernoulli", {}}},
      {{"iwae", {{"samples", num(3)}}}, {"planar", {}}, kMixture, kVariance},
      {{"iwae", {{"samples", num(2)}}}, {"sylvester", {}}, kLearned, {"bernoulli", {}}},
      {{"beta-vae", beta}, {"householder", {}}, {"logistic", {}}, kVariance},
      {{"beta-vae", beta}, {"isotropic", {}}, {"laplace", {}}, {"bernoulli", {}}},
      {{"beta-vae", beta}, {"uniform", {}}, {"uniform", {}}, {"bernoulli", {}}},
      {{"iwae", {{"samples", num(3)}}}, kRotated, kLearned, {"poisson", {}}},
      {{"taylor", beta}, kRotated, kCorrelated, kVariances},
      {{"taylor", beta}, {"full", {}}, kMixture, {"continuous-bernoulli", {}}},
      {{"taylor", with(beta, "form", txt("hessian"))}, kRotated, kLearned, {"student-t", {}}},
      {{"taylor", with(beta, "curvature", txt("fisher"))}, {"fixed", {}}, kLearned, {"laplace", {}}},
      {{"rae-gp", {{"penalty", num(0.3)}, {"norm", num(0.2)}}}, kPoint, kLearned, kVariance},
      {{"rae-gp", {{"penalty", num(0.3)}, {"probes", num(2)}}}, kPoint, kLearned, {"bernoulli", {}}},
      {{"beta-tcvae", {}}, kDiagonal, kMixture, kVariance},
      {{"beta-tcvae", {}}, {"logistic", {}}, kLearned, {"bernoulli", {}}},
      {{"factor-vae", {{"critic_hidden", list({5, 4})}}}, kRotated, kLearned, kVariance},
      {{"factor-vae", {{"critic_hidden", list({5})}}}, kIaf, kMixture, {"bernoulli", {}}},
      {{"dip-vae-i", {}}, kDiagonal, kLearned, kVariance},
      {{"dip-vae-ii", {}}, kRotated, kMixture, kVariance},
      {{"wae-mmd", {}}, kPoint, kLearned, kVariance},
      {{"classifier", {{"classes", num(3)}}}, kPoint, kLearned, kVariance},
      {{"info-vae", {{"alpha", num(0.3)}}}, kRotated, kLearned, kVariance},
  };
  for (const char* structure : {"full", "diagonal", "block", "isotropic", "low-rank", "family"}) {
    const Values values = with(with(beta, "structure", txt(structure)), "block", num(2));
    const Choice family =
        structure == std::string("family") ? Choice{"low-rank", {{"rank", num(1)}}} : kPoint;
    all.push_back({{"grae", values}, family, kCorrelated, {"bernoulli", {}}});
    all.push_back({{"grae", values}, family, kLearned, kVariances});
    all.push_back(
        {{"grae", with(values, "prior_curvature", txt("laplace"))}, family, {"logistic", {}}, kVariance});
  }
  for (const char* likelihood : {"poisson", "logistic", "discretised-logistic", "continuous-bernoulli"})
    all.push_back({{"grae", beta}, kPoint, kLearned, {likelihood, {}}});
  all.push_back({{"grae", beta}, kPoint, kLearned, {"categorical", {{"classes", num(3)}}}});
  all.push_back({{"grae", with(beta, "curvature", txt("fisher"))}, kPoint, kLearned, {"student-t", {}}});
  for (double per_sample : {0, 1})
    for (double columns : {1, 2})
      all.push_back(
          {{"grae-approx", {{"beta", num(0.4)}, {"per_sample", num(per_sample)}, {"columns", num(columns)}}},
           kPoint,
           columns == 1 ? kLearned : kCorrelated,
           per_sample == 0 ? kVariance : Choice{"bernoulli", {}}});
  return all;
}

Assembly assemble(const Row& row) {
  const Values network{{"hidden", list({6})}, {"activation", txt("tanh")}};
  Assembly model(kP, kD);
  model.with(Kind::kLikelihood, row.likelihood.id, row.likelihood.values);
  model.with(Kind::kFamily, row.family.id, row.family.values);
  model.with(Kind::kEncoder, "mlp", network).with(Kind::kDecoder, "mlp", network);
  model.with(Kind::kPrior, row.prior.id, row.prior.values);
  return std::move(model.with(Kind::kObjective, row.objective.id, row.objective.values));
}

struct Named {
  std::string name;
  Tensor tensor;
};
std::vector<Named> parameters(Assembly& model, Kind kind) {
  std::vector<Named> all;
  for (const auto& item : model->component(kind)->named_parameters())
    all.push_back({std::string(variform::to_string(kind)) + "/" + item.key(), item.value()});
  return all;
}

// d(value)/dt along `direction` in `tensor`, of fourth order.
double slope_of(const std::function<double()>& value, Tensor tensor, const Tensor& direction) {
  const at::NoGradGuard guard;
  const Tensor before = tensor.clone();
  const double step = 3e-5;
  const auto at_step = [&](double t) {
    tensor.copy_(before + t * step * direction);
    return value();
  };
  const double slope = (8 * (at_step(1) - at_step(-1)) - (at_step(2) - at_step(-2))) / (12 * step);
  tensor.copy_(before);
  return slope;
}

// The gradient that `loss` gives to each tensor is that of `follows`: to 1e-6 of itself, or of 1e-3 of the largest.
void check_gradients(const std::function<Tensor()>& loss, const std::function<double()>& follows,
                     const std::vector<Named>& named) {
  std::vector<Tensor> tensors;
  for (const Named& item : named) tensors.push_back(item.tensor);
  const auto gradients = torch::autograd::grad({loss()}, tensors, {}, {}, false, /*allow_unused=*/true);
  std::vector<double> found, slopes;
  double largest = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor direction = normal(tensors[i].sizes().vec(), 50 + i);
    found.push_back(gradients[i].defined() ? (gradients[i] * direction).sum().item<double>() : 0);
    slopes.push_back(slope_of(follows, tensors[i], direction));
    largest = std::max(largest, std::abs(slopes[i]));
  }
  CHECK(largest > 1e-4);
  for (size_t i = 0; i < tensors.size(); ++i) {
    CAPTURE(named[i].name, found[i], slopes[i]);
    CHECK(std::abs(found[i] - slopes[i]) <= 1e-6 * std::max(std::abs(slopes[i]), 1e-3 * largest));
  }
}

const std::set<std::string>& domains() {  // that need data of their own
  static const std::set<std::string> all{"poisson", "categorical"};
  return all;
}

}  // namespace

TEST_CASE("gradients: every objective follows its loss, through all slots") {
  for (const Row& row : rows()) {
    const auto structure = row.objective.values.find("structure");
    const std::string shape =
        structure == row.objective.values.end() ? "" : std::get<std::string>(structure->second);
    CAPTURE(row.objective.id, row.family.id, row.prior.id, row.likelihood.id, shape);
    Assembly model = assemble(row);
    const Tensor x =
        domains().count(row.likelihood.id) ? (2 * uniform({kB, kP}, 61)).floor() : uniform({kB, kP}, 61);
    std::vector<Named> own = parameters(model, Kind::kObjective), others;
    for (Kind kind : {Kind::kEncoder, Kind::kDecoder, Kind::kFamily, Kind::kPrior, Kind::kLikelihood})
      for (Named& item : parameters(model, kind)) others.push_back(std::move(item));
    const auto total = [&] { return model.evaluate(x, 4).loss.mean(); };
    if (row.objective.id != "factor-vae") {
      for (Named& item : own) others.push_back(std::move(item));
      check_gradients(
          total, [&] { return total().item<double>(); }, others);
      continue;
    }
    // A game (FactorVAE): the critic follows the part "critic", all others the rest.
    REQUIRE_FALSE(own.empty());
    const auto critic = [&] { return model.part(x, "critic", 4).mean().item<double>(); };
    check_gradients(total, critic, own);
    check_gradients(
        total, [&] { return total().item<double>() - critic(); }, others);
  }
}

TEST_CASE("gradients: the table has every stock objective, and each kind's trained parameters") {
  std::set<std::string> seen, missing;
  std::set<Kind> trained;
  for (const Row& row : rows()) {
    seen.insert(row.objective.id);
    Assembly model = assemble(row);
    for (Kind kind :
         {Kind::kEncoder, Kind::kDecoder, Kind::kFamily, Kind::kPrior, Kind::kLikelihood, Kind::kObjective})
      if (!parameters(model, kind).empty()) trained.insert(kind);
  }
  const variform::PluginInfo& plugin = variform::test::load_plugin("variform-objectives.so");
  for (const variform::ComponentList* item = plugin.lists_begin; item != plugin.lists_end; ++item)
    for (size_t i = 0; i < item->count; ++i)
      if (!seen.count(item->first[i].id)) missing.insert(item->first[i].id);
  CHECK(missing == std::set<std::string>{});
  CHECK(trained.size() == 6);
}

}  // namespace gradients_test
