// Spectral normalisation: the estimate against singular values, what moves it and what does not, and that nothing of
// a network escapes it. Its tangents and gradients are held with those of the other layers, its PyTorch counterpart
// in test_stock.cpp and tests/reference.

#include "catch.h"
#include "pushforwards.h"
#include "support/fake_build.h"
#include "support/load_plugin.h"

#include <variform/decoder.h>
#include <variform/encoder.h>
#include <variform/likelihood.h>
#include <variform/model.h>
#include <variform/nn/network.h>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>

namespace spectral_test {
namespace {

namespace nn = variform::nn;
using variform::Build;
using variform::Kind;
using variform::Model;
using variform::Shape;
using variform::Tensor;
using variform::test::difference;
using variform::test::fake_build;
using variform::test::generator;
using variform::test::list;
using variform::test::num;
using variform::test::Sizes;
using variform::test::txt;
using variform::test::Values;
using variform::testing::ContainsSubstring;

const at::TensorOptions kWide = at::TensorOptions().dtype(at::kDouble);

Tensor normal(const Shape& shape, std::uint64_t seed = 3) { return at::randn(shape, generator(seed), kWide); }

// A model that a layer can ask for the step.
struct Training {
  variform::HostModel model{{6}, 3, kWide, generator(1)};
  Build build = fake_build({.model = &model});
};

struct Case {
  std::string name;
  std::function<std::shared_ptr<nn::SpectralNorm>(const Build&)> make;
  Shape in;
  Shape matrix_order;  // dimensions of the weight with the outputs first
};

std::vector<Case> cases() {
  return {{"Linear",
           [](const Build& build) {
             return std::make_shared<nn::SpectralNorm>(build, std::make_shared<nn::Linear>(build, 9, 7));
           },
           {9},
           {0, 1}},
          {"Conv2d",
           [](const Build& build) {
             return std::make_shared<nn::SpectralNorm>(
                 build, std::make_shared<nn::Conv2d>(build, 2, 5, nn::Convolution{3, 2, 1}));
           },
           {2, 5, 4},
           {0, 1, 2, 3}},
          {"ConvTranspose2d",
           [](const Build& build) {
             return std::make_shared<nn::SpectralNorm>(
                 build, std::make_shared<nn::ConvTranspose2d>(build, 4, 3, nn::Convolution{4, 2, 1}));
           },
           {4, 3, 2},
           {1, 0, 2, 3}}};
}

Tensor weight_of(const nn::SpectralNorm& layer) {
  return layer.named_parameters()["parametrizations.weight.original"];
}
Tensor buffer_of(const nn::SpectralNorm& layer, const char* name) {
  return layer.named_buffers()[std::string("parametrizations.weight.0.") + name];
}
double largest_singular_value(const nn::SpectralNorm& layer, const Case& one) {
  return at::linalg_svdvals(weight_of(layer).detach().permute(one.matrix_order).flatten(1))[0].item<double>();
}
Tensor batch(const Case& one) {
  Shape shape = one.in;
  shape.insert(shape.begin(), 3);
  return normal(shape);
}

// The buffers' values now.
std::pair<Tensor, Tensor> vectors(const nn::SpectralNorm& layer) {
  return {buffer_of(layer, "_u").clone(), buffer_of(layer, "_v").clone()};
}
bool moved(const nn::SpectralNorm& layer, const std::pair<Tensor, Tensor>& before) {
  return !at::equal(buffer_of(layer, "_u"), before.first) ||
         !at::equal(buffer_of(layer, "_v"), before.second);
}

}  // namespace

TEST_CASE("the estimate starts near the largest singular value and reaches it in the training") {
  for (const Case& one : cases()) {
    INFO(one.name);
    Training training;
    const auto layer = one.make(training.build);
    const double largest = largest_singular_value(*layer, one);
    CHECK(layer->norm().item<double>() <= largest * (1 + 1e-12));
    CHECK(layer->norm().item<double>() > 0.9 * largest);
    for (int64_t step = 0; step < 300; ++step) {
      training.model.set_step(step);
      layer->forward(batch(one));
    }
    CHECK(std::abs(layer->norm().item<double>() / largest - 1) < 1e-9);
    CHECK(std::abs(buffer_of(*layer, "_u").norm().item<double>() - 1) < 1e-12);
    CHECK(std::abs(buffer_of(*layer, "_v").norm().item<double>() - 1) < 1e-12);
  }
}

TEST_CASE("the layer is the one inside it with its weight divided by the estimate") {
  for (const Case& one : cases()) {
    INFO(one.name);
    const auto layer = one.make(fake_build());
    const Tensor x = batch(one), weight = weight_of(*layer) / layer->norm(),
                 bias = layer->named_parameters()["bias"];
    const Tensor expected = one.name == "Linear"   ? at::linear(x, weight, bias)
                            : one.name == "Conv2d" ? at::conv2d(x, weight, bias, 2, 1)
                                                   : at::conv_transpose2d(x, weight, bias, 2, 1);
    CHECK(difference(layer->forward(x), expected) < 1e-14);
    CHECK(layer->parameters().size() == 2);
    CHECK(layer->buffers().size() == 2);
  }
  const Build build = fake_build();
  CHECK(nn::SpectralNorm(build, std::make_shared<nn::Linear>(build, 3, 2, false)).parameters().size() == 1);
  CHECK_THROWS_WITH(nn::SpectralNorm(build, std::shared_ptr<nn::Linear>()),
                    "SpectralNorm expects a layer; found none");
}

TEST_CASE("the estimate is linear in the weight, and its vectors collect no gradient") {
  for (const Case& one : cases()) {
    INFO(one.name);
    Training training;
    const auto layer = one.make(training.build);
    training.model.set_step(0);
    layer->forward(batch(one));
    const Tensor slope = torch::autograd::grad({layer->norm()}, {weight_of(*layer)})[0];
    const Tensor expected = at::outer(buffer_of(*layer, "_u"), buffer_of(*layer, "_v"));
    CHECK(difference(slope.permute(one.matrix_order).flatten(1), expected) < 1e-14);
    CHECK_FALSE(buffer_of(*layer, "_u").requires_grad());
    CHECK_FALSE(buffer_of(*layer, "_v").requires_grad());
  }
}

TEST_CASE("the vectors move once in a training step, by one power iteration, and at no other time") {
  for (const Case& one : cases()) {
    INFO(one.name);
    Training training;
    const auto layer = one.make(training.build);
    const Tensor x = batch(one);
    const auto start = vectors(*layer);
    layer->forward(x);  // before the training
    CHECK_FALSE(moved(*layer, start));

    training.model.set_step(4);
    layer->train(false);
    layer->forward(x);
    CHECK_FALSE(moved(*layer, start));

    layer->train(true);
    const Tensor w = weight_of(*layer).detach().permute(one.matrix_order).flatten(1);
    Tensor u = w.mv(start.second);
    u = u / u.norm();
    Tensor v = w.t().mv(u);
    v = v / v.norm();
    layer->forward(x);
    const auto first = vectors(*layer);
    CHECK(difference(first.first, u) < 1e-14);
    CHECK(difference(first.second, v) < 1e-14);

    layer->forward(x);  // the same step: the same network
    Shape tangent = x.sizes().vec();
    tangent.insert(tangent.begin(), 2);
    layer->push(x, normal(tangent));
    CHECK_FALSE(moved(*layer, first));
    training.model.set_step(5);
    layer->push(x, normal(tangent));
    CHECK(moved(*layer, first));

    const auto apart = one.make(fake_build());  // without a model there are no steps
    const auto still = vectors(*apart);
    apart->forward(x);
    CHECK_FALSE(moved(*apart, still));
  }
}

TEST_CASE("a step's gradients are those of the network with the moved vectors") {
  // The move stands before everything that is recorded: a second pass in the same step agrees, and backward() through
  // both finds what it saved.
  Training training;
  const Case one = cases()[0];
  const auto layer = one.make(training.build);
  training.model.set_step(0);
  const Tensor x = batch(one), first = layer->forward(x), second = layer->forward(x);
  CHECK(at::equal(first, second));
  (first.square().sum() + second.sin().sum()).backward();
  CHECK(weight_of(*layer).grad().isfinite().all().item<bool>());
}

TEST_CASE(
    "vectors start alike in both precisions, from Build::rng alone, and stay in float32 under autocast") {
  const Tensor before = variform::test::global_generator_state();
  for (const Case& one : cases()) {
    INFO(one.name);
    const auto wide = one.make(fake_build()), narrow = one.make(fake_build({.dtype = at::kFloat}));
    CHECK(buffer_of(*narrow, "_u").scalar_type() == at::kFloat);
    CHECK(difference(buffer_of(*narrow, "_u").to(at::kDouble), buffer_of(*wide, "_u")) < 1e-4);
  }
  CHECK(at::equal(before, variform::test::global_generator_state()));

  variform::HostModel model({6}, 3, kWide.dtype(at::kFloat), generator(1));
  const Case one = cases()[1];
  const auto layer = one.make(fake_build({.dtype = at::kFloat, .model = &model}));
  model.set_step(0);
  const Tensor x = batch(one).to(at::kFloat);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const Tensor y = layer->forward(x);
  const Tensor norm = layer->norm();
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  CHECK(y.scalar_type() == at::kBFloat16);
  CHECK(at::equal(norm, layer->norm()));
  const Tensor u = buffer_of(*layer, "_u");
  CHECK(std::abs(u.norm().item<double>() - 1) < 1e-6);
  CHECK_FALSE(at::equal(u, u.to(at::kBFloat16).to(at::kFloat)));
}

TEST_CASE("no linear map of a stock network escapes the normalisation") {
  const Values spectral{{"normalisation", txt("spectral")}};
  const auto check = [](const torch::nn::Module& component, size_t maps) {
    size_t found = 0;
    for (const auto& parameter : component.named_parameters()) {
      INFO(parameter.key());
      const bool normalised = parameter.key().ends_with(".parametrizations.weight.original");
      CHECK((normalised || parameter.key().ends_with(".bias")));
      found += normalised;
    }
    CHECK(found == maps);
  };
  const Sizes image{.data = {1, 8, 9}, .latent = 3, .outputs = 4};
  const struct {
    std::string id;
    Values values;
    size_t maps;
  } networks[] = {{"mlp", {{"hidden", list({5, 4})}}, 3},
                  {"conv", {{"channels", list({3, 2})}, {"hidden", list({5})}}, 4},
                  {"resnet", {{"channels", list({3, 2})}, {"hidden", list({5})}, {"blocks", num(1)}}, 8}};
  for (const auto& network : networks) {
    INFO(network.id);
    Values values = network.values;
    values.insert(spectral.begin(), spectral.end());
    const auto& encoders = variform::test::load_plugin("variform-encoders.so");
    const auto encoder = variform::test::make<variform::Encoder>(
        variform::test::find_component(encoders, Kind::kEncoder, network.id), values, image);
    check(*encoder, network.maps);
    CHECK(variform::network_of(*encoder)->piecewise_linear());
    const auto& decoders = variform::test::load_plugin("variform-decoders.so");
    const auto decoder = variform::test::make<variform::Decoder>(
        variform::test::find_component(decoders, Kind::kDecoder, network.id), values, image);
    check(*decoder, network.id == "mlp" ? 3 : network.maps);
    CHECK(decoder->piecewise_linear());
    variform::test::check_pushforward(*decoder, normal({2, 3}, 1), 2);
  }
}

TEST_CASE("a normalised perceptron stretches no distance") {
  Training training;
  nn::Sequential network;
  const nn::Block block{"relu", "spectral", 8};
  const int64_t width = append_hidden(network, training.build, block, 4, {20, 30});
  network.append(make_linear(training.build, block, width, 12));
  {
    const at::NoGradGuard no_grad;  // far from contracting without the normalisation
    for (Tensor& parameter : network.parameters()) parameter.mul_(10);
  }
  const Tensor a = normal({500, 4}, 1), b = normal({500, 4}, 2);
  for (int64_t step = 0; step < 200; ++step) {
    training.model.set_step(step);
    network.forward(a);
  }
  const Tensor stretch = (network.forward(a) - network.forward(b)).norm(2, 1) / (a - b).norm(2, 1);
  CHECK(stretch.max().item<double>() <= 1 + 1e-6);
  CHECK(stretch.max().item<double>() > 0.05);
}

TEST_CASE("a squashed decoder is refused by likelihoods that take its output for logits, and by no other") {
  const auto& likelihoods = variform::test::load_plugin("variform-likelihoods.so");
  const auto& decoders = variform::test::load_plugin("variform-decoders.so");
  const auto squashed = [&](const std::string& decoder, const std::string& likelihood) {
    variform::HostModel model({1, 8, 8}, 3, kWide, generator(1));
    const Sizes sizes{.data = {1, 8, 8}, .latent = 3, .model = &model};
    const auto component = variform::test::make<variform::Likelihood>(
        variform::test::find_component(likelihoods, Kind::kLikelihood, likelihood), {}, sizes);
    model.set(Kind::kLikelihood, component, likelihood + " (a plugin)");
    variform::test::make<variform::Decoder>(variform::test::find_component(decoders, Kind::kDecoder, decoder),
                                            {{"output", txt("sigmoid")}}, sizes);
  };
  for (const std::string decoder : {"mlp", "conv", "resnet", "linear"}) {
    INFO(decoder);
    CHECK_NOTHROW(squashed(decoder, "gaussian"));
    CHECK_THROWS_WITH(
        squashed(decoder, "bernoulli"),
        "output = \"sigmoid\" expects a likelihood that takes the decoder's output for a mean; with this one "
        "(bernoulli (a plugin)) outputs from 0 to 1 mean data from 0.5 to 0.731 only, since it takes them "
        "for logits or the like: use output = \"none\"");
  }
  for (const std::string likelihood : {"laplace", "logistic", "student-t", "discretised-logistic"}) {
    INFO(likelihood);
    CHECK_NOTHROW(squashed("mlp", likelihood));
  }
  for (const std::string likelihood : {"continuous-bernoulli", "poisson"}) {
    INFO(likelihood);
    CHECK_THROWS_WITH(squashed("mlp", likelihood), ContainsSubstring("use output = \"none\""));
  }
}

}  // namespace spectral_test
