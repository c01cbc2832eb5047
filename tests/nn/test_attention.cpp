// The layers of nn/attention.h and the functions of nn/dual.h: values against LibTorch's own, tangents and gradients of a
// function of them by automatic differentiation and by differences, PyTorch counterparts, messages.

#include "catch.h"
#include "pushforwards.h"
#include "support/fake_build.h"

#include <variform/nn/network.h>

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

namespace attention_test {
namespace {

namespace nn = variform::nn;
using variform::Build;
using variform::Pushed;
using variform::Shape;
using variform::Tensor;
using variform::nn::LayerPtr;
using variform::test::check_pushforward;
using variform::test::difference;
using variform::test::fake_build;
using variform::test::FunctionDecoder;
using variform::test::generator;
using variform::test::LayerDecoder;
using variform::testing::ContainsSubstring;

Tensor normal(const Shape& shape, std::uint64_t seed = 3) {
  return at::randn(shape, generator(seed), at::TensorOptions().dtype(at::kDouble));
}

void move_off_start(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  std::uint64_t seed = 100;
  for (Tensor& parameter : module.parameters()) parameter.add_(0.3 * normal(parameter.sizes().vec(), seed++));
}

struct Case {
  std::string name;
  LayerPtr layer;
  Shape in;
  std::string python;
  bool piecewise_linear = false;
};

LayerPtr cubes() {
  return std::make_shared<nn::Function>([](const Tensor& x) { return x.pow(3) + x.flip({-1}).sin(); },
                                        [](const Shape& in) { return in; }, "Cubes()");
}

std::vector<Case> cases() {
  const Build build = fake_build();
  const auto linear = [&](int64_t in, int64_t out) { return std::make_shared<nn::Linear>(build, in, out); };
  std::vector<Case> all{
      {"Softmax", std::make_shared<nn::Softmax>(), {5}, "torch.nn.Softmax(dim=-1)"},
      {"Softmax of channels", std::make_shared<nn::Softmax>(-3), {3, 2, 2}, "torch.nn.Softmax(dim=-3)"},
      {"LogSoftmax", std::make_shared<nn::Softmax>(-1, true), {2, 4}, "torch.nn.LogSoftmax(dim=-1)"},
      {"Attention", std::make_shared<nn::Attention>(build, 4), {3, 4}, "Attention(4, heads=1)"},
      {"Attention of heads", std::make_shared<nn::Attention>(build, 6, 3), {4, 6}, "Attention(6, heads=3)"},
      {"LayerNorm of tokens",
       std::make_shared<nn::LayerNorm>(build, Shape{4}),
       {3, 4},
       "torch.nn.LayerNorm((4,))"},
      {"GroupNorm as instance norm",
       std::make_shared<nn::GroupNorm>(build, 3, 3),
       {3, 2, 2},
       "torch.nn.GroupNorm(3, 3)"},
      {"AddParameter",
       std::make_shared<nn::AddParameter>(build, Shape{3, 4}),
       {3, 4},
       "AddParameter((3, 4))",
       true},
      {"RmsNorm", std::make_shared<nn::RmsNorm>(build, 4), {3, 4}, "torch.nn.RMSNorm(4, eps=1e-05)"},
      {"L2Normalise", std::make_shared<nn::L2Normalise>(), {3, 4}, "L2Normalise(dim=-1)"},
      {"AveragePool2d",
       std::make_shared<nn::AveragePool2d>(2),
       {2, 5, 4},
       "torch.nn.AvgPool2d(2, stride=2)",
       true},
      {"MaxPool2d",
       std::make_shared<nn::MaxPool2d>(2, 1),
       {2, 4, 3},
       "torch.nn.MaxPool2d(2, stride=1)",
       true},
      {"PixelShuffle", std::make_shared<nn::PixelShuffle>(2), {8, 2, 3}, "torch.nn.PixelShuffle(2)", true},
      {"Permute",
       std::make_shared<nn::Permute>(std::vector<int64_t>{1, 2, 0}),
       {2, 3, 2},
       "Permute((1, 2, 0))",
       true},
      {"Narrow", std::make_shared<nn::Narrow>(-2, 1, 2), {4, 3}, "Narrow(-2, 1, 2)", true},
      {"Concatenate",
       std::make_shared<nn::Concatenate>(
           std::vector<LayerPtr>{nn::activation("identity"), linear(4, 2), nn::activation("tanh")}),
       {4},
       "Concatenate(\n    -1,\n    torch.nn.Identity(),\n    torch.nn.Linear(4, 2),\n    "
       "torch.nn.Tanh(),\n)"},
      {"Function", cubes(), {4}, "Cubes()"},
      {"a transformer's block",
       std::make_shared<nn::Sequential>(std::vector<LayerPtr>{
           std::make_shared<nn::Unflatten>(Shape{3, 4}),
           std::make_shared<nn::AddParameter>(build, Shape{3, 4}),
           std::make_shared<nn::Residual>(std::make_shared<nn::Sequential>(
               std::vector<LayerPtr>{std::make_shared<nn::LayerNorm>(build, Shape{4}),
                                     std::make_shared<nn::Attention>(build, 4, 2)})),
           std::make_shared<nn::Residual>(std::make_shared<nn::Sequential>(
               std::vector<LayerPtr>{std::make_shared<nn::LayerNorm>(build, Shape{4}), linear(4, 8),
                                     nn::activation("gelu"), linear(8, 4)})),
           std::make_shared<nn::Flatten>()}),
       {12},
       ""},
  };
  for (Case& one : all) move_off_start(*one.layer);
  return all;
}

int64_t size_of(const Shape& shape) {
  int64_t product = 1;
  for (int64_t side : shape) product *= side;
  return product;
}

TEST_CASE("further layers push tangents as automatic differentiation and finite differences do") {
  for (const Case& one : cases()) {
    INFO(one.name);
    LayerDecoder decoder(one.layer, one.in);
    check_pushforward(decoder, normal({3, size_of(one.in)}), 2);
  }
}

TEST_CASE("further layers state their output shape and linearity, and their PyTorch counterpart") {
  for (const Case& one : cases()) {
    INFO(one.name);
    Shape batch = one.in;
    batch.insert(batch.begin(), 2);
    CHECK(one.layer->forward(normal(batch)).sizes().slice(1) ==
          at::IntArrayRef(one.layer->output_shape(one.in)));
    CHECK(one.layer->piecewise_linear() == one.piecewise_linear);
    if (!one.python.empty()) CHECK(one.layer->python() == one.python);
  }
}

TEST_CASE("values of further layers are LibTorch's") {
  const Build build = fake_build();
  const Tensor tokens = normal({5, 4, 6});
  const auto attention = std::make_shared<nn::Attention>(build, 6, 2);
  move_off_start(*attention);
  const auto parameters = attention->named_parameters();
  const Tensor qkv = at::linear(tokens, parameters["qkv.weight"], parameters["qkv.bias"]);
  const auto heads = [&](int64_t which) {
    return qkv.chunk(3, -1)[static_cast<std::size_t>(which)].reshape({5, 4, 2, 3}).transpose(1, 2);
  };
  const Tensor values = at::scaled_dot_product_attention(heads(0), heads(1), heads(2));
  const Tensor expected =
      at::linear(values.transpose(1, 2).reshape({5, 4, 6}), parameters["out.weight"], parameters["out.bias"]);
  CHECK(difference(attention->forward(tokens), expected) < 1e-13);
  CHECK(difference(attention->push(tokens, normal({2, 5, 4, 6})).g, expected) < 1e-13);

  const Tensor far =
      at::tensor({1e4, -1e4, 0.0, 700.0, 700.0, 700.0}, at::kDouble).reshape({2, 3});  // no overflow
  CHECK(difference(nn::Softmax().push(far, at::ones({1, 2, 3}, at::kDouble)).g, at::softmax(far, -1)) <
        1e-15);
  CHECK(nn::L2Normalise()
            .push(at::zeros({1, 3}, at::kDouble), at::ones({1, 1, 3}, at::kDouble))
            .g.abs()
            .max()
            .item<double>() == 0);
}

// A tensor as Python.
std::string literal(const Tensor& tensor) {
  std::string text = "torch.tensor([";
  const Tensor flat = tensor.detach().contiguous().flatten();
  for (int64_t i = 0; i < flat.numel(); ++i) {
    char number[40];
    std::snprintf(number, sizeof number, "%.17g,", flat[i].item<double>());
    text += number;
  }
  text += "], dtype=torch.float64).reshape([";
  for (int64_t side : tensor.sizes()) text += std::to_string(side) + ",";
  return text + "])";
}

// A call of the script's check() with what the layer computes: value, tangents, and the gradients of Σ w (Jv)².
std::string python_check(const Case& one) {
  Shape in = one.in;
  in.insert(in.begin(), 2);
  const Tensor x = normal(in).requires_grad_(true);
  in.insert(in.begin(), 3);
  const Tensor v = normal(in, 4);
  const Pushed pushed = one.layer->push(x, v);
  const Tensor weights = normal(pushed.jv.sizes().vec(), 5), loss = (weights * pushed.jv.square()).sum();
  std::vector<Tensor> of{x};
  std::string state = "{", names = "['x',";
  for (const auto& item : one.layer->named_parameters()) {
    state += "'network." + item.key() + "': " + literal(item.value()) + ",";
    names += "'network." + item.key() + "',";
    of.push_back(item.value());
  }
  std::string gradients = "[";
  const auto found = loss.requires_grad()
                         ? torch::autograd::grad({loss}, of, {}, false, false, /*allow_unused=*/true)
                         : std::vector<Tensor>(of.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    gradients += literal(found[i].defined() ? found[i] : at::zeros_like(of[i])) + ",";
  return "check(\"" + one.name + "\", r\"\"\"" + nn::python_module(*one.layer, "Net") + "\"\"\", " + state +
         "}, " + literal(x) + ", " + literal(v) + ", " + literal(pushed.g) + ", " + literal(pushed.jv) +
         ", " + literal(weights) + ", " + names + "], " + gradients + "])\n";
}

constexpr const char* kScript = R"(
import sys, torch

def close(what, found, expected):
    error = ((found - expected).abs().max() / (1 + expected.abs().max())).item()
    if not error < 1e-11:
        sys.exit(f"{what}: differs by {error}")

def check(name, source, state, x, v, g, jv, weights, names, gradients):
    namespace = {}
    exec(source, namespace)
    net = namespace["Net"]().double()
    net.load_state_dict(state, strict=True)
    x.requires_grad_(True)
    close(name + ", value", net(x), g)
    pushed = torch.stack([torch.func.jvp(net, (x,), (tangent,))[1] for tangent in v])
    close(name + ", tangents", pushed, jv)
    if "LayerNorm" in source or "GroupNorm" in source or not pushed.requires_grad:
        return  # torch differentiates tangents of fused norms wrongly; a constant has no gradient
    leaves = [x] + [dict(net.named_parameters())[key] for key in names[1:]]
    found = torch.autograd.grad((weights * pushed.square()).sum(), leaves, allow_unused=True)
    for key, one, expected in zip(names, found, gradients):
        close(f"{name}, gradient in {key}", torch.zeros_like(expected) if one is None else one, expected)

)";

TEST_CASE(
    "PyTorch's counterparts have the same values, torch.func.jvp the same tangents, and gradients of both "
    "agree") {
  const char* const python = std::getenv("VARIFORM_PYTHON");
  if (!python) return;  // ctest says which
  std::string script = kScript;
  for (const Case& one : cases())
    if (one.name != "Function") script += python_check(one);
  std::string folder = (std::filesystem::temp_directory_path() / "variform-layers-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()));
  std::ofstream(folder + "/layers.py") << script;
  const int code = std::system(("'" + std::string(python) + "' '" + folder + "/layers.py' 2>&1").c_str());
  std::filesystem::remove_all(folder);
  CHECK(code == 0);
}

// Dual functions against forward mode of the same in plain operations.
TEST_CASE("dual functions") {
  const Tensor z = normal({3, 12}), v = normal({2, 3, 12}, 4), weight = normal({4}, 5), bias = normal({4}, 6);
  const auto split = [](const Tensor& t) { return t.unflatten(-1, {3, 4}); };
  const auto dual = [&](const Tensor& t) { return Pushed{split(t), split(v)}; };
  const std::pair<const char*,
                  std::pair<std::function<Pushed(const Pushed&)>, std::function<Tensor(const Tensor&)>>>
      functions[] = {
          {"softmax",
           {[](const Pushed& x) { return nn::softmax(x, -2); },
            [](const Tensor& x) { return at::softmax(x, -2); }}},
          {"log_softmax",
           {[](const Pushed& x) { return nn::log_softmax(x); },
            [](const Tensor& x) { return at::log_softmax(x, -1); }}},
          {"logsumexp",
           {[](const Pushed& x) { return nn::logsumexp(x); },
            [](const Tensor& x) { return at::logsumexp(x, -1, true); }}},
          {"attention",
           {[](const Pushed& x) { return nn::attention(x, nn::multiply(x, x), x); },
            [](const Tensor& x) {
              return at::softmax(x.matmul((x * x).transpose(-1, -2)) / 2, -1).matmul(x);
            }}},
          {"layer_norm",
           {[&](const Pushed& x) { return nn::layer_norm(x, 1, weight, bias); },
            [&](const Tensor& x) { return at::layer_norm(x, {4}, weight, bias); }}},
          {"layer_norm of two",
           {[](const Pushed& x) { return nn::layer_norm(x, 2); },
            [](const Tensor& x) {
              return at::layer_norm(x, {3, 4});
            }}},
          {"rms_norm",
           {[&](const Pushed& x) { return nn::rms_norm(x, weight); },
            [&](const Tensor& x) { return x * (x.square().mean(-1, true) + 1e-5).rsqrt() * weight; }}},
          {"l2_normalise",
           {[](const Pushed& x) { return nn::l2_normalise(x); },
            [](const Tensor& x) { return x / x.norm(2, {-1}, true); }}},
          {"sums and joins",
           {[&](const Pushed& x) {
              return nn::concatenate(
                  {nn::add(x, nn::constant(bias.expand({1, 3, 4}), 2)), nn::narrow(x, -1, 1, 2)});
            },
            [&](const Tensor& x) {
              return at::cat({x + bias, x.narrow(-1, 1, 2)}, -1);
            }}}};
  for (const auto& [name, both] : functions) {
    INFO(name);
    FunctionDecoder plain([&](const Tensor& t) { return both.second(split(t)); });
    const Pushed found = both.first(dual(z)), expected = pushforward_forward_mode(plain, z, v, {});
    CHECK(difference(found.g, expected.g) < 1e-13);
    CHECK(difference(found.jv, expected.jv) < 1e-12);
  }
}

// A layer without a push() of its own, in a network.
class Halved final : public nn::Layer {
 public:
  Tensor forward(const Tensor& x) const override { return x.sin() * 0.5; }
  Shape output_shape(const Shape& in) const override { return in; }
  std::string python() const override { return "Halved()"; }
};

TEST_CASE("a layer without push() has the right tangents by itself, and is seen to have none") {
  const LayerPtr layer = std::make_shared<Halved>();
  LayerDecoder decoder(layer, {4});
  check_pushforward(decoder, normal({3, 4}), 2);
  std::vector<std::string> seen;
  static thread_local std::vector<std::string>* names;
  names = &seen;
  const auto handle =
      at::addThreadLocalCallback(at::RecordFunctionCallback([](const at::RecordFunction& function)
                                                                -> std::unique_ptr<at::ObserverContext> {
                                   if (std::string_view(function.name()).starts_with(nn::kPushFallback))
                                     names->push_back(function.name());
                                   return nullptr;
                                 }).scopes({at::RecordScope::USER_SCOPE}));
  layer->push(normal({3, 4}), normal({2, 3, 4}));
  nn::Softmax().push(normal({3, 4}), normal({2, 3, 4}));
  at::removeCallback(handle);
  REQUIRE(seen.size() == 1);
  CHECK_THAT(seen[0], ContainsSubstring("Halved"));
  const at::NoGradGuard no_grad;
  CHECK(!layer->push(normal({3, 4}), normal({2, 3, 4})).jv.requires_grad());
}

TEST_CASE("further layers say what does not fit") {
  const Build build = fake_build();
  const auto says = [](const auto& call, const char* text) {
    try {
      call();
      FAIL("nothing was thrown; expected: " << text);
    } catch (const variform::Error& error) {
      CHECK_THAT(error.what(), ContainsSubstring(text));
    }
  };
  says([&] { nn::Attention(build, 6, 4); }, "4 heads for a width of 6");
  says([&] { nn::Attention(build, 6).output_shape({6}); }, "[tokens, 6]; found [6]");
  says([&] { nn::Softmax(0); }, "counts dimensions from the end");
  says([&] { nn::Softmax(-3).output_shape({4}); }, "found -3 for data of shape [4]");
  says([&] { nn::Narrow(-1, 2, 3).output_shape({4}); }, "entries 2 to 4 of a dimension of 4");
  says([&] { nn::Permute({0, 0}); }, "each dimension once");
  says([&] { nn::PixelShuffle(2).output_shape({3, 2, 2}); }, "a multiple of 4 channels");
  says([&] { nn::MaxPool2d(4).output_shape({1, 3, 5}); }, "sides of at least 4");
  says(
      [&] {
        nn::Concatenate({std::make_shared<nn::Flatten>(), nn::activation("tanh")}).output_shape({2, 3});
      },
      "agree but for the dimension");
  says([&] { nn::LayerNorm(build, {4}).output_shape({3, 5}); }, "ends in [4]; found [3, 5]");
  says([&] { nn::Function([](const Tensor& x) { return x; }, [](const Shape& in) { return in; }).python(); },
       "cannot be exported");
}

}  // namespace
}  // namespace attention_test
