// Every layer of variform/nn by itself: values against LibTorch's own functions, tangents and their gradients
// by three tiers and by differences, shapes, PyTorch counterparts, messages.

#include "catch.h"
#include "pushforwards.h"
#include "support/fake_build.h"

#include <variform/nn/network.h>
#include <variform/products.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

namespace layers_test {
namespace {

namespace nn = variform::nn;
using variform::Build;
using variform::Shape;
using variform::Tensor;
using variform::nn::LayerPtr;
using variform::test::difference;
using variform::test::double_backward;
using variform::test::fake_build;
using variform::test::forward_mode;
using variform::test::FunctionDecoder;
using variform::test::generator;
using variform::test::global_generator_state;
using variform::test::LayerDecoder;
using variform::test::own;
using variform::test::Push;
using variform::test::pushed_by_differences;
using variform::test::tangent_gradient_errors;
using variform::testing::ContainsSubstring;

Tensor normal(const Shape& shape, std::uint64_t seed = 3) {
  return at::randn(shape, generator(seed), at::TensorOptions().dtype(at::kDouble));
}

// Every trained tensor moved off its initial value, so that unit weights and zero biases hide nothing.
void perturb(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  std::uint64_t seed = 100;
  for (Tensor& parameter : module.parameters()) parameter.add_(0.3 * normal(parameter.sizes().vec(), seed++));
}

struct Case {
  std::string name;
  LayerPtr layer;
  Shape in;
  std::string python;
  bool piecewise_linear;
};

std::vector<Case> cases() {
  const Build build = fake_build();
  const auto linear = [&](int64_t in, int64_t out) { return std::make_shared<nn::Linear>(build, in, out); };
  const auto conv = [&](int64_t in, int64_t out, nn::Convolution options) {
    return std::make_shared<nn::Conv2d>(build, in, out, options);
  };
  const auto up = [&](int64_t in, int64_t out, nn::Convolution options, std::array<int64_t, 2> padding) {
    return std::make_shared<nn::ConvTranspose2d>(build, in, out, options, padding);
  };
  std::vector<Case> all{
      {"Linear", linear(5, 4), {5}, "torch.nn.Linear(5, 4)", true},
      {"Linear of rows", linear(5, 4), {3, 5}, "torch.nn.Linear(5, 4)", true},
      {"Linear without bias",
       std::make_shared<nn::Linear>(build, 5, 4, false),
       {5},
       "torch.nn.Linear(5, 4, bias=False)",
       true},
      {"Conv2d", conv(2, 3, {3, 2, 1}), {2, 5, 4}, "torch.nn.Conv2d(2, 3, 3, stride=2, padding=1)", true},
      {"Conv2d without bias",
       conv(1, 2, {2, 1, 0, false}),
       {1, 3, 3},
       "torch.nn.Conv2d(1, 2, 2, stride=1, padding=0, bias=False)",
       true},
      {"ConvTranspose2d",
       up(2, 3, {4, 2, 1}, {0, 1}),
       {2, 3, 2},
       "torch.nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, output_padding=(0, 1))",
       true},
      {"ConvTranspose2d, 3",
       up(3, 1, {3, 1, 1}, {0, 0}),
       {3, 3, 2},
       "torch.nn.ConvTranspose2d(3, 1, 3, stride=1, padding=1)",
       true},
      {"SpectralNorm of Linear",
       std::make_shared<nn::SpectralNorm>(build, linear(5, 4)),
       {5},
       "torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(5, 4))",
       true},
      {"SpectralNorm of Conv2d",
       std::make_shared<nn::SpectralNorm>(build, conv(2, 3, {3, 2, 1})),
       {2, 5, 4},
       "torch.nn.utils.parametrizations.spectral_norm(torch.nn.Conv2d(2, 3, 3, stride=2, padding=1))",
       true},
      {"SpectralNorm of ConvTranspose2d",
       std::make_shared<nn::SpectralNorm>(build, up(2, 3, {4, 2, 1}, {0, 1})),
       {2, 3, 2},
       "torch.nn.utils.parametrizations.spectral_norm(torch.nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, "
       "output_padding=(0, 1)))",
       true},
      {"LayerNorm", std::make_shared<nn::LayerNorm>(build, Shape{6}), {6}, "torch.nn.LayerNorm((6,))", false},
      {"LayerNorm of images",
       std::make_shared<nn::LayerNorm>(build, Shape{2, 3, 2}),
       {2, 3, 2},
       "torch.nn.LayerNorm((2, 3, 2))",
       false},
      {"GroupNorm",
       std::make_shared<nn::GroupNorm>(build, 2, 4),
       {4, 3, 2},
       "torch.nn.GroupNorm(2, 4)",
       false},
      {"GroupNorm of features",
       std::make_shared<nn::GroupNorm>(build, 2, 6),
       {6},
       "torch.nn.GroupNorm(2, 6)",
       false},
      {"Flatten", std::make_shared<nn::Flatten>(), {2, 3, 2}, "torch.nn.Flatten()", true},
      {"Unflatten", std::make_shared<nn::Unflatten>(Shape{3, 2}), {6}, "torch.nn.Unflatten(1, (3, 2))", true},
      {"Upsample nearest",
       std::make_shared<nn::Upsample>(5, 4),
       {2, 3, 2},
       "torch.nn.Upsample(size=(5, 4), mode=\"nearest\")",
       true},
      {"Upsample bilinear",
       std::make_shared<nn::Upsample>(5, 4, nn::Upsample::Mode::kBilinear),
       {2, 3, 2},
       "torch.nn.Upsample(size=(5, 4), mode=\"bilinear\", align_corners=False)",
       true},
      {"Residual",
       std::make_shared<nn::Residual>(linear(4, 4)),
       {4},
       "Residual(\n    torch.nn.Linear(4, 4),\n)",
       true},
      {"Residual with shortcut",
       std::make_shared<nn::Residual>(conv(2, 3, {3, 1, 1}), conv(2, 3, {1})),
       {2, 3, 3},
       "Residual(\n    torch.nn.Conv2d(2, 3, 3, stride=1, padding=1),\n"
       "    torch.nn.Conv2d(2, 3, 1, stride=1, padding=0),\n)",
       true},
      {"Sequential",
       std::make_shared<nn::Sequential>(
           std::vector<LayerPtr>{linear(3, 6), std::make_shared<nn::LayerNorm>(build, Shape{6}),
                                 nn::activation("silu"), linear(6, 4)}),
       {3},
       "torch.nn.Sequential(\n    torch.nn.Linear(3, 6),\n    torch.nn.LayerNorm((6,)),\n    "
       "torch.nn.SiLU(),\n"
       "    torch.nn.Linear(6, 4),\n)",
       false},
      {"relu", nn::activation("relu"), {6}, "torch.nn.ReLU()", true},
      {"leaky-relu", nn::activation("leaky-relu"), {6}, "torch.nn.LeakyReLU(0.01)", true},
      {"leaky-relu-0.2", nn::activation("leaky-relu-0.2"), {6}, "torch.nn.LeakyReLU(0.2)", true},
      {"elu", nn::activation("elu"), {6}, "torch.nn.ELU()", false},
      {"silu", nn::activation("silu"), {6}, "torch.nn.SiLU()", false},
      {"gelu", nn::activation("gelu"), {6}, "torch.nn.GELU()", false},
      {"softplus", nn::activation("softplus"), {6}, "torch.nn.Softplus()", false},
      {"tanh", nn::activation("tanh"), {6}, "torch.nn.Tanh()", false},
      {"sigmoid", nn::activation("sigmoid"), {6}, "torch.nn.Sigmoid()", false},
      {"identity", nn::activation("identity"), {2, 3}, "torch.nn.Identity()", true},
  };
  for (Case& one : all) perturb(*one.layer);
  return all;
}

int64_t size(const Shape& shape) {
  int64_t product = 1;
  for (int64_t side : shape) product *= side;
  return product;
}

const Case& find(const std::vector<Case>& all, const std::string& name) {
  for (const Case& one : all)
    if (one.name == name) return one;
  throw std::runtime_error("no case " + name);
}

Tensor parameter(const Case& one, const char* name) { return one.layer->named_parameters()[name]; }

}  // namespace

TEST_CASE("every layer pushes tangents as automatic differentiation and finite differences do") {
  for (const Case& one : cases()) {
    INFO(one.name);
    variform::test::LayerDecoder decoder(one.layer, one.in);
    variform::test::check_pushforward(decoder, normal({3, size(one.in)}), 2);
  }
}

// Gradients of a loss on the inner products, and of a scalar product of those gradients, in z and all parameters.
std::vector<Tensor> gradients_of(const Tensor& gram, const std::vector<Tensor>& inputs) {
  const Tensor loss = (gram.square() * normal(gram.sizes().vec(), 5)).sum() + gram.sum();
  std::vector<Tensor> found = torch::autograd::grad({loss}, inputs, {}, true, /*create_graph=*/true, true);
  Tensor product = at::zeros({}, gram.options());
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i].defined()) product = product + (found[i] * normal(found[i].sizes().vec(), 6 + i)).sum();
  for (const Tensor& second : torch::autograd::grad({product}, inputs, {}, true, false, true))
    found.push_back(second);
  return found;
}

TEST_CASE("inner products of tangents without the tangents: values, gradients, and gradients of gradients") {
  const Build build = fake_build();
  const auto linear = [&](int64_t in, int64_t out) { return std::make_shared<nn::Linear>(build, in, out); };
  const auto chain = [](std::vector<LayerPtr> layers) {
    return std::make_shared<nn::Sequential>(std::move(layers));
  };
  const std::pair<const char*, LayerPtr> networks[] = {
      {"a wide layer", linear(4, 60)},
      {"a narrow layer", linear(4, 3)},
      {"a network that ends in a wide layer", chain({linear(4, 6), nn::activation("tanh"), linear(6, 60),
                                                     std::make_shared<nn::Unflatten>(Shape{3, 4, 5})})},
      {"three layers",
       chain({linear(4, 6), nn::activation("silu"), linear(6, 5), nn::activation("relu"), linear(5, 60)})},
      {"a network that ends in a nonlinearity",
       chain({linear(4, 6), nn::activation("tanh"), nn::activation("sigmoid")})},
      {"a network of rearrangements",
       chain({std::make_shared<nn::Unflatten>(Shape{2, 2}), nn::activation("identity")})},
  };
  const Tensor v = normal({5, 120, 4}, 8);  // more data than are taken at a time
  for (const auto& [name, network] : networks)
    for (const Tensor& directions : {v, v.narrow(1, 0, 1).expand(v.sizes())}) {
      INFO(name);
      Tensor z = normal({120, 4}).requires_grad_(true);
      std::vector<Tensor> inputs = network->parameters();
      inputs.push_back(z);
      const variform::Pullback found = network->push_metric(z, directions);
      const variform::Pushed plain = network->push(z, directions);
      CHECK(at::equal(found.g, plain.g));
      const Tensor expected = variform::inner_products(plain.jv);
      CHECK(found.metric.sizes() == at::IntArrayRef{120, 5, 5});
      CHECK(difference(found.metric, expected) < 1e-12);
      if (!expected.requires_grad()) continue;
      const std::vector<Tensor> own = gradients_of(found.metric, inputs),
                                plainly = gradients_of(expected, inputs);
      for (std::size_t i = 0; i < own.size(); ++i) {
        REQUIRE(own[i].defined() == plainly[i].defined());
        if (own[i].defined()) CHECK(difference(own[i], plainly[i]) < 1e-10);
      }
    }
}

TEST_CASE("a decoder without the ability of inner products forms them from its own pushforward") {
  class Doubled final : public variform::With<variform::Decoder, variform::Pushforward> {
   public:
    explicit Doubled(LayerPtr network) : network_(register_module("network", std::move(network))) {}
    Tensor decode(const Tensor& z, const variform::Context&) override { return 2 * network_->forward(z); }
    variform::Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context&) override {
      const variform::Pushed pushed = network_->push(z, v);
      return {2 * pushed.g, 2 * pushed.jv};
    }

   private:
    LayerPtr network_;
  };
  const Build build = fake_build();
  const auto network = [&] {
    return std::make_shared<nn::Sequential>(std::vector<LayerPtr>{
        std::make_shared<nn::Linear>(build, build.latent, build.outputs * build.data_size()),
        std::make_shared<nn::Unflatten>(nn::decoded_shape(build))});
  };
  const Tensor z = normal({3, build.latent}), v = normal({2, 3, build.latent}, 8);
  Doubled doubled(network());
  nn::NetworkDecoder plain(build, network());
  CHECK(static_cast<variform::Decoder&>(doubled).pushforward_tier() == variform::PushforwardTier::kOwn);
  CHECK_FALSE(variform::ability<variform::PullbackMetric>(doubled));
  CHECK(variform::ability<variform::PullbackMetric>(plain));
  for (variform::Decoder* decoder :
       {static_cast<variform::Decoder*>(&doubled), static_cast<variform::Decoder*>(&plain)}) {
    const variform::Pullback found = decoder->pullback_metric(z, v, {});
    const variform::Pushed pushed = decoder->pushforward(z, v, {});
    CHECK(at::equal(found.g, pushed.g));
    CHECK(difference(found.metric, variform::inner_products(pushed.jv)) < 1e-12);
  }
}

TEST_CASE("the check of tangent gradients can fail") {
  // A tangent that is right in value but whose slope is held constant: the gradient in z must be seen to be
  // wrong.
  FunctionDecoder decoder([](const Tensor& z) { return z.tanh(); });
  const Push frozen = [](variform::Decoder&, const Tensor& z, const Tensor& v) {
    const Tensor y = z.tanh();
    return variform::Pushed{y, v * (1 - y.square()).detach()};
  };
  const auto errors = tangent_gradient_errors(decoder, frozen, normal({3, 4}), normal({2, 3, 4}));
  CHECK(errors.front().error > 0.1);
}

TEST_CASE("layers state their output shape and linearity, and their PyTorch counterpart") {
  for (const Case& one : cases()) {
    INFO(one.name);
    Shape batch = one.in;
    batch.insert(batch.begin(), 2);
    CHECK(one.layer->forward(normal(batch)).sizes().slice(1) ==
          at::IntArrayRef(one.layer->output_shape(one.in)));
    CHECK(one.layer->piecewise_linear() == one.piecewise_linear);
    CHECK(one.layer->rows_independent());
    CHECK(one.layer->python() == one.python);
  }
}

TEST_CASE("values are those of LibTorch's own layers") {
  const std::vector<Case> all = cases();
  const auto check = [](const Tensor& found, const Tensor& expected) {
    CHECK(difference(found, expected) < 1e-13);
  };
  const Case& norm = find(all, "LayerNorm of images");
  const Tensor images = 3 * normal({4, 2, 3, 2}) + 1;
  check(norm.layer->forward(images),
        at::layer_norm(images, {2, 3, 2}, parameter(norm, "weight"), parameter(norm, "bias"), 1e-5));
  const Case& group = find(all, "GroupNorm");
  const Tensor channels = 3 * normal({5, 4, 3, 2}) + 1;
  const Tensor expected =
      at::group_norm(channels, 2, parameter(group, "weight"), parameter(group, "bias"), 1e-5);
  check(group.layer->forward(channels), expected);
  check(group.layer->push(channels, normal({1, 5, 4, 3, 2})).g, expected);

  const Tensor x =
      at::cat({4 * normal({40}), at::tensor({-30.0, -1.0, 0.0, 1.0, 19.0, 21.0, 30.0}, at::kDouble)});
  const std::pair<const char*, Tensor> activations[] = {{"relu", at::relu(x)},
                                                        {"leaky-relu", at::leaky_relu(x)},
                                                        {"leaky-relu-0.2", at::where(x > 0, x, 0.2 * x)},
                                                        {"elu", at::elu(x)},
                                                        {"silu", at::silu(x)},
                                                        {"gelu", at::gelu(x)},
                                                        {"softplus", at::softplus(x)},
                                                        {"tanh", at::tanh(x)},
                                                        {"sigmoid", at::sigmoid(x)},
                                                        {"identity", x}};
  for (const auto& [name, value] : activations) {
    INFO(name);
    const LayerPtr layer = nn::activation(name);
    check(layer->forward(x), value);
    // Slopes at extreme values and at the kink, where PyTorch takes the negative side.
    FunctionDecoder decoder([&](const Tensor& z) { return layer->forward(z); });
    const Tensor z = x.reshape({-1, 1}), one = at::ones({1, x.size(0), 1}, at::kDouble);
    check(layer->push(z, one).jv, pushforward_forward_mode(decoder, z, one, {}).jv);
  }
}

// The gradients of Σy², and those of a function of them.
std::vector<Tensor> two_derivatives(const Tensor& y, const std::vector<Tensor>& of) {
  std::vector<Tensor> found = torch::autograd::grad({y.square().sum()}, of, {}, true, true);
  Tensor cubes = found[0].pow(3).sum();
  for (size_t i = 1; i < found.size(); ++i) cubes = cubes + found[i].pow(3).sum();
  const std::vector<Tensor> second = torch::autograd::grad({cubes}, of);
  found.insert(found.end(), second.begin(), second.end());
  return found;
}

Tensor widened(const Tensor& t) { return t.detach().to(at::kDouble).contiguous().set_requires_grad(true); }

void check_close(const Tensor& found, const Tensor& expected) {
  CHECK(found.sizes() == expected.sizes());
  CHECK(((found - expected).norm() / expected.norm()).item<double>() < 1e-5);
}

// As Sequential computes it, which takes the two together.
LayerPtr with_relu(const LayerPtr& layer) {
  return std::make_shared<nn::Sequential>(std::vector<LayerPtr>{layer, nn::activation("relu")});
}

// Has oneDNN compute products of these classes of sizes while it lives.
class ByOneDnn {
 public:
  explicit ByOneDnn(variform::OneDnnProducts classes)
      : before_(variform::exchange_onednn_products(classes)) {}
  ~ByOneDnn() { variform::exchange_onednn_products(before_); }
  ByOneDnn(const ByOneDnn&) = delete;
  ByOneDnn& operator=(const ByOneDnn&) = delete;

 private:
  variform::OneDnnProducts before_;
};

TEST_CASE("large float32 products are right, with their first and second derivatives") {
  const ByOneDnn chosen(GENERATE(0b000u, 0b111u));
  variform::testing::Sizes sizes;
  sizes.dtype = at::kFloat;
  const bool rectified = GENERATE(false, true);
  const auto linear = std::make_shared<nn::Linear>(fake_build(sizes), 300, 203);  // no multiple of anything
  const LayerPtr layer = rectified ? with_relu(linear) : LayerPtr(linear);
  const auto function = [&](const Tensor& x, const Tensor& weight, const Tensor& bias) {
    const Tensor y = at::linear(x, weight, bias);
    return rectified ? at::relu(y) : y;
  };
  const Tensor weight = linear->weight(), bias = linear->bias();
  const std::vector<Tensor> rows{normal({67, 300}), normal({300, 67}).t(), normal({8, 8, 300})};
  for (const Tensor& given : rows) {
    const Tensor x = given.to(at::kFloat).set_requires_grad(true);
    const Tensor wide_x = widened(x), wide_weight = widened(weight), wide_bias = widened(bias);
    const Tensor y = layer->forward(x), wide = function(wide_x, wide_weight, wide_bias);
    check_close(y, wide);
    const std::vector<Tensor> found = two_derivatives(y, {x, weight, bias}),
                              expected = two_derivatives(wide, {wide_x, wide_weight, wide_bias});
    for (size_t i = 0; i < found.size(); ++i) check_close(found[i], expected[i]);
  }
  const Tensor x = rows[0].to(at::kFloat), v = normal({5, 67, 300}).to(at::kFloat);
  check_close(linear->push(x, v).jv, at::linear(v.to(at::kDouble), weight.to(at::kDouble), {}));
  const at::NoGradGuard no_grad;
  check_close(layer->forward(x), function(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble)));
}

TEST_CASE(
    "first derivatives of large float32 products are right for each input by itself, by any number of "
    "threads") {
  const ByOneDnn chosen(0b111);
  variform::testing::Sizes sizes;
  sizes.dtype = at::kFloat;
  const bool rectified = GENERATE(false, true), biased = GENERATE(false, true);
  const int threads = GENERATE(1, 2, 3);
  const int64_t out = GENERATE(203, 208);  // with and without a rest of the sixteens that are taken at once
  CAPTURE(rectified, biased, threads, out);
  const int before = at::get_num_threads();
  at::set_num_threads(threads);
  const auto linear = std::make_shared<nn::Linear>(fake_build(sizes), 300, out, biased);
  perturb(*linear);
  const LayerPtr layer = rectified ? with_relu(linear) : LayerPtr(linear);
  const Tensor x = normal({301, 300}).to(at::kFloat).set_requires_grad(true);
  std::vector<Tensor> of{x, linear->weight()}, wide{widened(x), widened(linear->weight())};
  if (biased) {
    of.push_back(linear->bias());
    wide.push_back(widened(linear->bias()));
  }
  const Tensor wide_sum = at::linear(wide[0], wide[1], biased ? wide[2] : Tensor());
  const Tensor y = layer->forward(x), wide_y = rectified ? at::relu(wide_sum) : wide_sum;
  const std::vector<Tensor> gradients{normal(y.sizes().vec(), 7), normal({out, 301}, 8).t(),
                                      normal({1, out}, 9).expand({301, out})};  // in every order of memory
  for (const Tensor& gradient : gradients)
    for (size_t i = 0; i <= of.size(); ++i) {  // each, then all of them
      const bool all = i == of.size();
      const std::vector<Tensor> some = all ? of : std::vector<Tensor>{of[i]},
                                wide_some = all ? wide : std::vector<Tensor>{wide[i]};
      const std::vector<Tensor> found = torch::autograd::grad({y}, some, {gradient.to(at::kFloat)}, true),
                                right = torch::autograd::grad({wide_y}, wide_some, {gradient}, true);
      for (size_t j = 0; j < found.size(); ++j) check_close(found[j], right[j]);
    }
  at::set_num_threads(before);
}

TEST_CASE("each class of products goes to the library that was chosen for it") {
  if (!variform::has_onednn_products()) VARIFORM_SKIP("this LibTorch has no oneDNN");
  // Which of the two computes shows in the operators that are called.
  const auto is_onednn = [](int64_t rows, unsigned classes) {
    const ByOneDnn chosen(classes);
    const at::NoGradGuard no_grad;
    static thread_local bool seen;
    seen = false;
    const at::CallbackHandle handle = at::addThreadLocalCallback(
        at::RecordFunctionCallback([](const at::RecordFunction& function)
                                       -> std::unique_ptr<at::ObserverContext> {
          seen = seen || std::string_view(function.name()) == "mkldnn::_linear_pointwise";
          return nullptr;
        }).scopes({at::RecordScope::FUNCTION}));
    variform::rectified_layer(at::ones({rows, 100}), at::ones({200, 100}), {});
    at::removeCallback(handle);
    return seen;
  };
  constexpr int64_t kOfARow = 100 * 200;
  for (int i = 0; i < variform::kProductClasses; ++i) {
    const int64_t least = (variform::kProductBounds[i] + kOfARow - 1) / kOfARow;
    CAPTURE(i, least);
    CHECK(is_onednn(least, 1u << i));
    CHECK(!is_onednn(least - 1, 1u << i));
    CHECK(!is_onednn(least, ~(1u << i)));
  }
}

TEST_CASE("products under bfloat16 autocast are autocast's, with their gradients") {
  variform::testing::Sizes sizes;
  sizes.dtype = at::kFloat;
  const bool rectified = GENERATE(false, true), biased = GENERATE(false, true);
  CAPTURE(rectified, biased);
  const auto linear = std::make_shared<nn::Linear>(fake_build(sizes), 48, 40, biased);
  const LayerPtr layer = rectified ? with_relu(linear) : LayerPtr(linear);
  for (const Shape& shape : {Shape{24, 48}, Shape{6, 4, 48}}) {
    const Tensor x = normal(shape).to(at::kFloat).set_requires_grad(true);
    std::vector<Tensor> of{x, linear->weight()};
    if (biased) of.push_back(linear->bias());
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    const Tensor plain = at::linear(x, linear->weight(), linear->bias());
    const Tensor y = layer->forward(x), expected = rectified ? at::relu(plain) : plain;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
    CHECK(y.scalar_type() == at::kBFloat16);
    const std::vector<Tensor> found = torch::autograd::grad({y.to(at::kFloat).square().sum()}, of),
                              right = torch::autograd::grad({expected.to(at::kFloat).square().sum()}, of);
    const auto off = [](const Tensor& a, const Tensor& b) {
      return ((a.to(at::kDouble) - b.to(at::kDouble)).norm() / b.to(at::kDouble).norm()).item<double>();
    };
    CHECK(off(y, expected) < 0.004);
    for (size_t i = 0; i < of.size(); ++i) {
      CHECK(found[i].scalar_type() == at::kFloat);
      CHECK(off(found[i], right[i]) < 0.01);
    }
  }
}

TEST_CASE(
    "float32 convolutions are right in every order of memory, with their first and second derivatives") {
  struct Sizes {
    bool transposed;
    int64_t in, out;
    nn::Convolution options;
    int64_t output_padding;
  };
  const Sizes sizes = GENERATE(Sizes{false, 3, 8, {4, 2, 1}, 0}, Sizes{false, 1, 4, {3, 1, 1}, 0},
                               Sizes{true, 8, 20, {4, 2, 1}, 0}, Sizes{true, 8, 3, {4, 2, 1}, 0},
                               Sizes{true, 8, 1, {3, 3, 0}, 0}, Sizes{true, 5, 2, {6, 2, 2}, 0},
                               Sizes{true, 5, 2, {4, 2, 1, false}, 0}, Sizes{true, 5, 2, {3, 2, 1}, 1},
                               Sizes{true, 4, 1, {5, 3, 1}, 0});
  const bool by_channels = GENERATE(false, true), rectified = GENERATE(false, true);
  CAPTURE(sizes.transposed, sizes.in, sizes.out, sizes.options.kernel, by_channels, rectified);
  variform::testing::Sizes in_float;
  in_float.dtype = at::kFloat;
  const Build build = fake_build(in_float);
  const LayerPtr layer =
      sizes.transposed ? LayerPtr(std::make_shared<nn::ConvTranspose2d>(
                             build, sizes.in, sizes.out, sizes.options,
                             std::array<int64_t, 2>{sizes.output_padding, sizes.output_padding}))
                       : LayerPtr(std::make_shared<nn::Conv2d>(build, sizes.in, sizes.out, sizes.options));
  perturb(*layer);
  const auto function = [&](const Tensor& x, const std::vector<Tensor>& of) {
    const Tensor bias = of.size() > 1 ? of[1] : Tensor();
    return sizes.transposed ? at::conv_transpose2d(x, of[0], bias, sizes.options.stride,
                                                   sizes.options.padding, sizes.output_padding)
                            : at::conv2d(x, of[0], bias, sizes.options.stride, sizes.options.padding);
  };
  const auto activated = [&](const Tensor& y) { return rectified ? at::relu(y) : y; };
  const auto given = [&](Shape shape) {
    const Tensor x = normal(shape).to(at::kFloat);
    return by_channels && x.dim() == 4 ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
  };
  const Tensor x = given({4, sizes.in, 6, 8}).set_requires_grad(true);
  std::vector<Tensor> of{x}, wide_of{widened(x)};
  for (const Tensor& parameter : layer->parameters()) {
    of.push_back(parameter);
    wide_of.push_back(widened(parameter));
  }
  const std::vector<Tensor> wide(wide_of.begin() + 1, wide_of.end());
  const Tensor y = (rectified ? with_relu(layer) : layer)->forward(x);
  const Tensor right = activated(function(wide_of[0], wide));
  check_close(y, right);
  CHECK(Shape(y.sizes().begin() + 1, y.sizes().end()) == layer->output_shape({sizes.in, 6, 8}));
  const std::vector<Tensor> found = two_derivatives(y, of), expected = two_derivatives(right, wide_of);
  for (size_t i = 0; i < found.size(); ++i) check_close(found[i], expected[i]);

  const Tensor v = given({3, 4, sizes.in, 6, 8}), jv = layer->push(x, v).jv;
  check_close(jv.flatten(0, 1), function(v.flatten(0, 1).to(at::kDouble), {wide[0]}));
  const Tensor common = v.narrow(1, 0, 1).expand_as(v);
  check_close(layer->push(x, common).jv, jv.narrow(1, 0, 1).expand_as(jv));
  LayerDecoder decoder(layer, {sizes.in, 6, 8});
  check_close(forward_mode()(decoder, x.detach().flatten(1), v.flatten(2)).jv.reshape(jv.sizes()), jv);
}

TEST_CASE("a network of convolutions takes and gives rows, and so do its derivatives") {
  variform::testing::Sizes in_float;
  in_float.dtype = at::kFloat;
  const Build build = fake_build(in_float);
  nn::Sequential network({std::make_shared<nn::Conv2d>(build, 3, 6, nn::Convolution{4, 2, 1}),
                          nn::activation("relu"),
                          std::make_shared<nn::ConvTranspose2d>(build, 6, 5, nn::Convolution{4, 2, 1})});
  const Tensor x = normal({2, 3, 8, 8}).to(at::kFloat).set_requires_grad(true);
  const Tensor v = normal({2, 2, 3, 8, 8}).to(at::kFloat);
  const variform::Pushed pushed = network.push(x, v);
  CHECK(network.forward(x).is_contiguous());
  CHECK(pushed.g.is_contiguous());
  CHECK(pushed.jv.is_contiguous());
  CHECK(torch::autograd::grad({pushed.jv.square().sum() + pushed.g.square().sum()}, {x})[0].is_contiguous());
}

TEST_CASE("initialisation is PyTorch's, from Build::rng alone, and alike in both precisions") {
  const Tensor before = global_generator_state();
  const auto widest = [](const Tensor& tensor) { return tensor.detach().abs().max().item<double>(); };
  const Build build = fake_build();
  const nn::Linear linear(build, 100, 400);
  CHECK(widest(linear.weight()) < 0.1);
  CHECK(widest(linear.weight()) > 0.0999);
  CHECK(widest(linear.bias()) < 0.1);
  CHECK(widest(linear.bias()) > 0.09);
  CHECK(std::abs(linear.weight().detach().square().mean().item<double>() * 300 - 1) <
        0.02);  // variance 1/(3·fan_in)
  nn::Conv2d conv(build, 4, 64, {5, 1, 0});
  CHECK(widest(conv.named_parameters()["weight"]) < 0.1);
  CHECK(widest(conv.named_parameters()["weight"]) > 0.099);
  nn::ConvTranspose2d transposed(build, 64, 4, {5, 1, 0});
  CHECK(widest(transposed.named_parameters()["weight"]) < 0.1);
  CHECK(widest(transposed.named_parameters()["weight"]) > 0.099);

  const Build again = fake_build({.dtype = at::kFloat});
  const nn::Linear same(again, 100, 400);
  CHECK(same.weight().scalar_type() == at::kFloat);
  CHECK(at::equal(same.weight(), linear.weight().to(at::kFloat)));
  const nn::Linear next(again, 100, 400);
  CHECK_FALSE(at::equal(same.weight(), next.weight()));
  CHECK(at::equal(before, global_generator_state()));
}

TEST_CASE("layers work under bfloat16 autocast, with their norms in float32") {
  const Build build = fake_build({.dtype = at::kFloat});
  nn::Sequential network({std::make_shared<nn::Linear>(build, 3, 16),
                          std::make_shared<nn::LayerNorm>(build, Shape{16}), nn::activation("relu"),
                          std::make_shared<nn::Unflatten>(Shape{4, 2, 2}),
                          std::make_shared<nn::GroupNorm>(build, 2, 4), nn::activation("gelu"),
                          std::make_shared<nn::ConvTranspose2d>(build, 4, 2, nn::Convolution{4, 2, 1})});
  const Tensor x = normal({5, 3}).to(at::kFloat), v = normal({2, 5, 3}).to(at::kFloat);
  const variform::Pushed full = network.push(x, v);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const variform::Pushed mixed = network.push(x, v);
  mixed.jv.to(at::kFloat).square().sum().backward();
  const Tensor norm = network.layers()[1]->forward(x.new_ones({2, 16}).to(at::kBFloat16));
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  CHECK(norm.scalar_type() == at::kFloat);
  CHECK(mixed.g.scalar_type() == at::kBFloat16);
  CHECK(difference(mixed.g.to(at::kFloat), full.g) < 0.05);
  CHECK(difference(mixed.jv.to(at::kFloat), full.jv) < 0.05);
  CHECK(difference(mixed.g.to(at::kFloat), full.g) > 0);
  for (const auto& one : network.named_parameters()) {
    INFO(one.key());
    if (one.key() != "6.bias") CHECK(one.value().grad().isfinite().all().item<bool>());
  }
}

TEST_CASE("why norms are composed: gradients through LibTorch's fused tangents are silently wrong") {
  // Tangents by forward mode are right, and so is the reference (differences of their value); backward
  // through them is not. If one of these starts to fail, LibTorch has mended it.
  const auto error = [](const std::function<Tensor(const Tensor&)>& function, const Push& push) {
    FunctionDecoder decoder(function);
    const Tensor z = normal({7, 6}), v = normal({2, 7, 6});
    CHECK(difference(pushforward_forward_mode(decoder, z, v, {}).jv, pushed_by_differences(decoder, z, v)) <
          1e-6);
    return tangent_gradient_errors(decoder, push, z, v).front().error;
  };
  const Tensor weight = normal({6}).abs() + 0.5, bias = normal({6});
  const auto fused = [&](const Tensor& x) { return at::layer_norm(x, {6}, weight, bias, 1e-5); };
  const auto composed = [&](const Tensor& x) {
    const Tensor centred = x - x.mean(-1, true);
    return centred * (centred.square().mean(-1, true) + 1e-5).rsqrt() * weight + bias;
  };
  CHECK(error(fused, forward_mode()) > 0.01);
  CHECK(error(composed, forward_mode()) < 1e-6);
  CHECK(error(composed, double_backward()) < 1e-6);
  const auto group = [&](const Tensor& x) { return at::group_norm(x, 2, weight, bias, 1e-5); };
  CHECK(error(group, forward_mode()) < 1e-6);
  CHECK(error(group, double_backward()) < 1e-6);
  CHECK(std::isnan(error([](const Tensor& x) { return at::softmax(x, 1); }, forward_mode())));  // throws
}

namespace {
struct Cube : torch::autograd::Function<Cube> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x) {
    context->save_for_backward({x});
    return x.pow(3);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0] * 3 * context->get_saved_variables()[0].square()};
  }
};
}  // namespace

TEST_CASE("the default pushforward takes forward mode, and double backward where an operation has none") {
  const Tensor z = normal({3, 4}), v = normal({2, 3, 4});
  FunctionDecoder smooth([](const Tensor& x) { return x.sin(); });
  CHECK(smooth.pushforward_tier() == variform::PushforwardTier::kUndecided);
  CHECK(difference(smooth.pushforward(z, v, {}).jv, z.cos() * v) < 1e-14);
  CHECK(smooth.pushforward_tier() == variform::PushforwardTier::kForwardMode);

  FunctionDecoder custom([](const Tensor& x) { return Cube::apply(x); });
  CHECK(difference(custom.pushforward(z, v, {}).jv, 3 * z.square() * v) < 1e-14);
  CHECK(custom.pushforward_tier() == variform::PushforwardTier::kDoubleBackward);
  const auto errors = tangent_gradient_errors(custom, own(), z, v);
  CHECK(errors.front().error < 1e-6);
}

TEST_CASE(
    "pushforwards of decoders that use z little, under no_grad, under inference mode, inside one another") {
  const Tensor z = normal({3, 4}), v = normal({2, 3, 4});
  FunctionDecoder constant([](const Tensor& x) { return at::ones({x.size(0), 5}, at::kDouble); });
  FunctionDecoder affine([](const Tensor& x) { return 2 * x; });
  for (const Push& push : {forward_mode(), double_backward()}) {
    CHECK(at::equal(push(constant, z, v).jv, at::zeros({2, 3, 5}, at::kDouble)));
    CHECK(difference(push(affine, z, v).jv, 2 * v) < 1e-15);
    {
      const at::NoGradGuard no_grad;
      const variform::Pushed pushed = push(affine, z, v);
      CHECK(difference(pushed.jv, 2 * v) < 1e-15);
      CHECK_FALSE(pushed.jv.requires_grad());
    }
    const c10::InferenceMode inference;
    CHECK_THROWS_WITH(push(affine, z, v), ContainsSubstring("inference mode"));
  }
  FunctionDecoder nested([&](const Tensor& x) { return affine.pushforward(x, x.unsqueeze(0), {}).jv[0]; });
  CHECK_THROWS_WITH(pushforward_forward_mode(nested, z, v, {}), ContainsSubstring("do not nest"));
  FunctionDecoder throwing([](const Tensor&) -> Tensor { throw variform::Error("broken"); });
  CHECK_THROWS_WITH(throwing.pushforward(z, v, {}), "broken");
  CHECK_NOTHROW(affine.pushforward(z, v, {}));  // the level was released
  CHECK_THROWS_WITH(affine.pushforward(z, v[0], {}), ContainsSubstring("v [T, N, d]"));
}

TEST_CASE("layers refuse what does not fit with a sentence") {
  const Build build = fake_build();
  CHECK_THROWS_WITH(nn::Linear(build, 0, 3), "Linear expects inputs of at least 1; found 0");
  CHECK_THROWS_WITH(nn::Linear(build, 2, 3).output_shape({4}),
                    "Linear expects 2 inputs; found data of shape [4]");
  CHECK_THROWS_WITH(nn::GroupNorm(build, 4, 6), ContainsSubstring("4 groups for 6 channels"));
  CHECK_THROWS_WITH(nn::Conv2d(build, 2, 3, {5, 1, 0}).output_shape({2, 4, 9}),
                    "Conv2d with kernel 5 and padding 0 does not fit into data of shape [2, 4, 9]");
  CHECK_THROWS_WITH(nn::Conv2d(build, 2, 3, {}).output_shape({3, 4, 4}),
                    "Conv2d expects data of shape [2, height, width]; found [3, 4, 4]");
  CHECK_THROWS_WITH(nn::ConvTranspose2d(build, 2, 3, {4, 2, 1}, {2, 0}),
                    ContainsSubstring("from 0 to stride − 1 = 1"));
  CHECK_THROWS_WITH(nn::activation("rellu"),
                    ContainsSubstring("there is no activation 'rellu'; choose one of relu, "));
  CHECK_THROWS_WITH(nn::Unflatten({2, 3}).output_shape({7}),
                    "Unflatten to [2, 3] expects 6 values; found data of shape [7]");
  CHECK_THROWS_WITH(nn::Residual(std::make_shared<nn::Linear>(build, 2, 3)).output_shape({2}),
                    ContainsSubstring("adds its shortcut's [2] to its inner layer's [3]"));
  nn::Sequential network;
  const LayerPtr layer = nn::activation("relu");
  network.append(layer);
  CHECK_THROWS_WITH(network.append(layer), ContainsSubstring("is in it already"));
}

}  // namespace layers_test
